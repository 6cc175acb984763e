/** What a fake was asked to do, as text, and which of its calls are to fail. Shared by all fakes that record. */
export class FakeCalls {
  /** The calls since they were last taken, in order; of one that failed, the code comes after an arrow: `'map 0x0-0x1000 rw -> EIO'`. */
  readonly texts: string[] = [];
  readonly #name: string;
  readonly #journal: string[] | undefined;
  readonly #faults = new Map<number, string>();
  #faultOf: (call: string) => string | undefined = () => undefined;

  constructor(name: string, journal?: string[]) {
    this.#name = name;
    this.#journal = journal;
  }

  /** How many calls there were since they were last taken: the number of the next one. */
  get count(): number {
    return this.texts.length;
  }

  /** Writes the call down and says with which code it is to fail, if it is. */
  record(call: string): string | undefined {
    const code = this.#faults.get(this.count) ?? this.#faultOf(call);
    const text = code === undefined ? call : `${call} -> ${code}`;
    this.texts.push(text);
    this.#journal?.push(`${this.#name}: ${text}`);
    return code;
  }

  /** Hands out the texts so far and starts counting anew. */
  take(): string[] {
    return this.texts.splice(0);
  }

  /** Makes the call of that number fail. */
  failCall(number: number, code: string): void {
    this.#faults.set(number, code);
  }

  /** Makes every call fail whose text starts with `prefix`, until mended. */
  failAll(prefix: string, code: string): void {
    this.#faultOf = (call) => (call.startsWith(prefix) ? code : undefined);
  }

  /** From now on nothing fails. */
  mend(): void {
    this.#faults.clear();
    this.#faultOf = () => undefined;
  }
}
