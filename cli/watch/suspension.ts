/** In milliseconds: a process that nobody can continue is not stopped, and goes on at once. */
const NOT_STOPPED = 200;

/** Lets the process be stopped, by `suspend` or SIGTSTP, with the terminal as it was before, and drawn on again when it goes on. */
export class Suspension implements Disposable {
  readonly #leave: () => void;
  readonly #enter: () => void;
  #timer: NodeJS.Timeout | undefined;
  #isSuspended = false;

  /** @param leave makes the terminal what it was @param enter undoes that */
  constructor(leave: () => void, enter: () => void) {
    this.#leave = leave;
    this.#enter = enter;
    process.on('SIGTSTP', this.#stopAlone);
    process.on('SIGCONT', this.#goOn);
  }

  /** Stops all processes of the job, as the terminal does at Ctrl-Z. */
  suspend(): void {
    this.#stop(0);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    process.off('SIGTSTP', this.#stopAlone);
    process.off('SIGCONT', this.#goOn);
  }

  readonly #stopAlone = (): void => {
    this.#stop(process.pid);
  };

  #stop(pid: number): void {
    if (this.#isSuspended) {
      return;
    }
    this.#isSuspended = true;
    this.#leave();
    // Without a listener the signal stops the process.
    process.off('SIGTSTP', this.#stopAlone);
    process.kill(pid, 'SIGTSTP');
    this.#timer = setTimeout(this.#goOn, NOT_STOPPED);
  }

  readonly #goOn = (): void => {
    if (this.#isSuspended) {
      this.#isSuspended = false;
      clearTimeout(this.#timer);
      process.on('SIGTSTP', this.#stopAlone);
      // A terminal tells only the job in the foreground that its size has changed. Node.js asks for the size at this signal.
      process.emit('SIGWINCH', 'SIGWINCH');
    }
    this.#enter();
  };
}
