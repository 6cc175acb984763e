/** What ends a command early, and the exit status that then says so: 128 and the number of the signal, as in a shell. */
const STATUS = { SIGINT: 130, SIGTERM: 143 } as const;

type EndingSignal = keyof typeof STATUS;

const SIGNALS = Object.keys(STATUS) as readonly EndingSignal[];

/**
 * Ends the process at the first SIGINT or SIGTERM, at once, with its exit status; unless what runs then has asked to be told.
 * A second signal has its default action in any case.
 */
export class Interruption {
  readonly #told = new AbortController();
  #isDeferred = false;
  #status: number | undefined;

  constructor() {
    for (const name of SIGNALS) {
      process.on(name, this.#receive);
    }
  }

  /** From now on the signal that this returns is aborted, and the process goes on until it ends by itself. */
  defer(): AbortSignal {
    this.#isDeferred = true;
    return this.#told.signal;
  }

  /** The exit status of the signal that came; `undefined` while none has. */
  get status(): number | undefined {
    return this.#status;
  }

  readonly #receive = (name: EndingSignal): void => {
    for (const each of SIGNALS) {
      process.off(each, this.#receive);
    }
    this.#status = STATUS[name];
    if (!this.#isDeferred) {
      process.exit(this.#status);
    }
    this.#told.abort();
  };
}
