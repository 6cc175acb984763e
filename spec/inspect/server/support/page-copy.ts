import type {
  ChangesMessage,
  ExceptionKind,
  LogEntry,
  Message,
  NoteEntry,
  SetEntry,
  StartMessage,
  WireException,
  WireMapping,
  WireRegion,
  WireStatus,
  WireTarget,
} from '../../../../inspect/wire/messages.js';

/** What a page knows: the least that keeps to `wire/messages.ts`. */
export class PageCopy {
  start: StartMessage | undefined = undefined;
  isReady = false;
  isEnded = false;
  generation = -1;
  status: WireStatus | undefined = undefined;
  readonly regions = new Map<number, WireRegion>();
  readonly mappings = new Map<number, WireMapping>();
  readonly targets = new Map<number, WireTarget>();
  readonly exceptions = new Map<number, Map<string, WireException>>();
  readonly log: LogEntry[] = [];

  apply(message: Message): void {
    switch (message.type) {
      case 'start':
        this.start = message;
        for (const map of [this.regions, this.mappings, this.targets, this.exceptions]) {
          map.clear();
        }
        break;
      case 'ready':
        this.isReady = true;
        break;
      case 'end':
        this.isEnded = true;
        break;
      case 'changes':
        this.#change(message);
    }
  }

  get sets(): readonly SetEntry[] {
    return this.log.filter((entry) => entry.kind === 'set');
  }

  get notes(): readonly NoteEntry[] {
    return this.log.filter((entry) => entry.kind === 'note');
  }

  /** By address. */
  get mappingList(): readonly WireMapping[] {
    return [...this.mappings.values()].sort((one, other) => one.pages[0] - other.pages[0]);
  }

  target(name: string): WireTarget | undefined {
    return [...this.targets.values()].find((target) => target.name === name);
  }

  /** By address. */
  exceptionsOf(target: number, kind: ExceptionKind): readonly WireException[] {
    return [...(this.exceptions.get(target)?.values() ?? [])]
      .filter((exception) => exception.kind === kind)
      .sort((one, other) => one.pages[0] - other.pages[0]);
  }

  /** The first pages of what a target holds, by its exceptions: what is active and not absent, what is extra, what is stuck. Ascending. */
  heldBy(target: number): readonly number[] {
    const absent = this.exceptionsOf(target, 'absent');
    const held = this.mappingList
      .filter(({ pages: [start, end] }) => !absent.some(({ pages }) => pages[0] < end && start < pages[1]))
      .map(({ pages }) => pages[0]);
    const others = [...this.exceptionsOf(target, 'extra'), ...this.exceptionsOf(target, 'stuck')];
    return [...held, ...others.map(({ pages }) => pages[0])].sort((one, other) => one - other);
  }

  #change(message: ChangesMessage): void {
    this.generation = message.generation;
    remove(this.regions, message.regionsGone);
    remove(this.mappings, message.mappingsGone);
    remove(this.targets, message.targetsGone);
    remove(this.exceptions, message.targetsGone);
    put(this.regions, message.regions, ({ key }) => key);
    put(this.mappings, message.mappings, ({ pages }) => pages[0]);
    put(this.targets, message.targets, ({ key }) => key);
    for (const { target, added, gone } of message.exceptions ?? []) {
      const exceptions = this.exceptions.get(target) ?? new Map<string, WireException>();
      if (this.targets.has(target)) {
        this.exceptions.set(target, exceptions);
      }
      remove(
        exceptions,
        gone?.map(([kind, start]) => `${kind} ${start}`),
      );
      put(exceptions, added, ({ kind, pages }) => `${kind} ${pages[0]}`);
    }
    this.status = message.status ?? this.status;
    this.log.push(...(message.log ?? []));
  }
}

function put<K, V>(map: Map<K, V>, list: readonly V[] | undefined, keyOf: (element: V) => K): void {
  for (const element of list ?? []) {
    map.set(keyOf(element), element);
  }
}

function remove<K>(map: Map<K, unknown>, keys: readonly K[] | undefined): void {
  for (const key of keys ?? []) {
    map.delete(key);
  }
}
