import { closeSync, openSync } from 'node:fs';
import { ReadStream } from 'node:tty';

/** Where the keys of the user come from. Disposing of it closes what was opened for it. */
export interface Keyboard extends Disposable {
  /** `undefined` if there is none: the process has no terminal that it could read from. */
  readonly keys: ReadStream | undefined;
}

/** Standard input if it is a terminal; otherwise, when a trace comes from there, the terminal of the process. */
export function openKeyboard(): Keyboard {
  const { stdin } = process;
  if (stdin.isTTY) {
    return { keys: stdin, [Symbol.dispose]: () => stdin.pause() };
  }
  let fd: number;
  try {
    fd = openSync('/dev/tty', 'r');
  } catch {
    return { keys: undefined, [Symbol.dispose]: () => undefined };
  }
  try {
    const keys = new ReadStream(fd);
    return { keys, [Symbol.dispose]: () => keys.destroy() };
  } catch {
    closeSync(fd);
    return { keys: undefined, [Symbol.dispose]: () => undefined };
  }
}
