/** The signals that interrupt a command, and their exit statuses: 128 plus the signal number, as in a shell. */
const STATUS = { SIGINT: 130, SIGTERM: 143 } as const;

type EndingSignal = keyof typeof STATUS;

const SIGNALS = Object.keys(STATUS) as readonly EndingSignal[];

/**
 * Ends the process immediately at the first SIGINT or SIGTERM, with the exit status of the signal, unless the running code has called
 * `defer`. A second signal always has its default action.
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

  /** From now on a signal aborts the returned `AbortSignal` instead of ending the process. */
  defer(): AbortSignal {
    this.#isDeferred = true;
    return this.#told.signal;
  }

  /** The exit status of the received signal; `undefined` if none was received. */
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
