import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { PACKAGE, plainEnvironment } from './command.js';

const ESC = '\u001b';

/** Why there is no pseudo-terminal; `undefined` if there is. */
export function whyNoTerminal(): string | undefined {
  return spawnSync('script', ['--version']).status === 0 ? undefined : '`script` of util-linux is not installed';
}

export interface TerminalOptions {
  readonly columns?: number;
  readonly rows?: number;
  readonly env?: NodeJS.ProcessEnv;
}

/** How long a command may take to show something, in milliseconds: the test ends with what was shown, and the command with the test. */
const PATIENCE = 25_000;

/** A shell command on a terminal of its own. */
export class PseudoTerminal implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #waiting = new Set<() => void>();
  readonly #closed: Promise<unknown>;
  #output = '';
  #seen = 0;

  constructor(command: string, { columns = 80, rows = 12, env = {} }: TerminalOptions = {}) {
    this.#child = spawn('script', ['-qec', `stty cols ${columns} rows ${rows}; ${command}`, '/dev/null'], {
      cwd: PACKAGE,
      env: { ...plainEnvironment(), TERM: 'xterm-256color', SHELL: '/bin/sh', ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#child.stdout?.on('data', (data: Buffer) => {
      this.#output += data.toString();
      for (const wake of this.#waiting) {
        wake();
      }
    });
    this.#closed = once(this.#child, 'close');
  }

  /** All that was written. */
  get output(): string {
    return this.#output;
  }

  /** Types keys. */
  type(keys: string): void {
    this.#child.stdin?.write(keys);
  }

  /** Resolves when what has come since the last time has the text. */
  async until(text: string): Promise<void> {
    await this.#untilFound(() => {
      const found = this.#output.indexOf(text, this.#seen);
      return found === -1 ? undefined : found + text.length;
    });
  }

  /** Resolves when the screen shows what matches. */
  async untilScreen(pattern: RegExp): Promise<void> {
    await this.#untilFound(() => (pattern.test(this.screen.join('\n')) ? this.#output.length : undefined));
  }

  /** What is on the alternate screen, a line each, without colours. */
  get screen(): string[] {
    const lines: string[] = [];
    const drawn = this.#output.slice(Math.max(0, this.#output.lastIndexOf(`${ESC}[2J`)));
    for (const [, row, text = ''] of drawn.matchAll(/\u001b\[(\d+);1H\u001b\[2K((?:[^\u001b]|\u001b\[[\d;]*m)*)/g)) {
      lines[Number(row) - 1] = text.replace(/\u001b\[[\d;]*m/g, '').trimEnd();
    }
    return Array.from(lines, (line) => line ?? '');
  }

  /** Resolves with all that was written when the command has ended. */
  async ended(): Promise<string> {
    await this.#inTime(this.#closed);
    return this.#output;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#closed;
  }

  async #inTime<T>(what: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new Error(`it does not come: ${JSON.stringify(this.#output.slice(-2000))}`));
      }, PATIENCE);
    });
    try {
      return await Promise.race([what, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #untilFound(find: () => number | undefined): Promise<void> {
    const found = new Promise<void>((resolve, reject) => {
      void this.#closed.then(() => {
        reject(new Error(`the command has ended: ${this.#output.slice(-2000)}`));
      });
      const look = (): void => {
        const end = find();
        if (end !== undefined) {
          this.#seen = end;
          this.#waiting.delete(look);
          resolve();
        }
      };
      this.#waiting.add(look);
      look();
    });
    await this.#inTime(found);
  }
}
