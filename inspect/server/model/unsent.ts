import type {
  ChangesMessage,
  ExceptionKind,
  LogEntry,
  WireException,
  WireExceptions,
  WireMapping,
  WireRegion,
  WireStatus,
  WireTarget,
} from '../../wire/messages.js';

/** What has changed of the elements of a list, by key. */
class Elements<K, V> {
  readonly #present = new Map<K, V>();
  readonly #gone = new Set<K>();

  get size(): number {
    return this.#present.size + this.#gone.size;
  }

  put(key: K, element: V): void {
    this.#present.set(key, element);
    this.#gone.delete(key);
  }

  remove(key: K): void {
    this.#present.delete(key);
    this.#gone.add(key);
  }

  present(): readonly V[] | undefined {
    return this.#present.size === 0 ? undefined : [...this.#present.values()];
  }

  gone(): readonly K[] | undefined {
    return this.#gone.size === 0 ? undefined : [...this.#gone];
  }
}

/** An exception by the text of its key. */
export function exceptionKey(kind: ExceptionKind, page: number): string {
  return `${kind} ${page}`;
}

/** What has changed since the last message. */
export class Unsent {
  readonly regions = new Elements<number, WireRegion>();
  /** By first page. */
  readonly mappings = new Elements<number, WireMapping>();
  readonly targets = new Elements<number, WireTarget>();
  readonly #exceptions = new Map<number, Elements<string, WireException>>();
  status: WireStatus | undefined = undefined;
  #size = 0;

  /** Number of elements: about 100 bytes each. */
  get size(): number {
    return this.#size + this.regions.size + this.mappings.size + this.targets.size;
  }

  exceptionsOf(target: number): Pick<Elements<string, WireException>, 'put' | 'remove'> {
    let elements = this.#exceptions.get(target);
    if (elements === undefined) {
      elements = new Elements();
      this.#exceptions.set(target, elements);
    }
    this.#size += 1;
    return elements;
  }

  /** All of it as a message, with entries of the log; `undefined` when there is nothing. */
  message(at: number, generation: number, log: readonly LogEntry[]): ChangesMessage | undefined {
    if (this.size === 0 && this.status === undefined && log.length === 0) {
      return undefined;
    }
    const exceptions = [...this.#exceptions].map(([target, elements]): WireExceptions => {
      const gone = elements.gone()?.map((key) => {
        const [kind, page] = key.split(' ') as [ExceptionKind, string];
        return [kind, Number(page)] as const;
      });
      return withoutAbsent<WireExceptions>({ target, added: elements.present(), gone });
    });
    return withoutAbsent<ChangesMessage>({
      type: 'changes',
      at,
      generation,
      regions: this.regions.present(),
      regionsGone: this.regions.gone(),
      mappings: this.mappings.present(),
      mappingsGone: this.mappings.gone(),
      targets: this.targets.present(),
      targetsGone: this.targets.gone(),
      exceptions: exceptions.length === 0 ? undefined : exceptions,
      status: this.status,
      log: log.length === 0 ? undefined : log,
    });
  }
}

/** The same object where what is `undefined` is absent: JSON makes no difference. */
function withoutAbsent<T extends object>(message: { readonly [K in keyof T]: T[K] | undefined }): T {
  return message as T;
}
