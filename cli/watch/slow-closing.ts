import { complaint } from '../complain.js';
import type { Watched } from './watched.js';

/** In milliseconds: who waits longer wants to know why. */
const PATIENCE = 1000;

/** Says, when closing takes long, who has to answer, and lets SIGINT end the process at once then. */
export class SlowClosing implements Disposable {
  #timer: NodeJS.Timeout | undefined;

  /** To be called when closing begins. */
  begin({ targets }: Watched): void {
    this.#timer = setTimeout(() => {
      const silent = targets.filter(({ attachment }) => attachment.pending).map(({ name }) => name);
      const whom = silent.length === 0 ? 'the targets' : silent.join(', ');
      process.stderr.write(complaint(`waiting for ${whom} to answer; Ctrl-C ends at once`, process.stderr));
      process.on('SIGINT', this.#end);
    }, PATIENCE);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    process.off('SIGINT', this.#end);
  }

  readonly #end = (): void => {
    process.exit(130);
  };
}
