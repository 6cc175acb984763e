import type { SourceStatus } from '../../inspect/index.js';
import type { LineWriter } from '../output/line-writer.js';
import { fit, formatSize, printable } from '../output/text.js';
import type { ChangeSet, MapChange, MemoryRange } from '../../streams/index.js';
import { kindOf } from './watch-state.js';
import type { Watched } from './watched.js';

/** Writes a line for each change, problem and change of the status, where the output is no terminal that can be drawn on. */
export class PlainFrontEnd implements Disposable {
  readonly #out: LineWriter;
  readonly #end: () => void;
  /** By the address of the first byte: a change set does not tell the kind of what goes. */
  readonly #active = new Map<bigint, MapChange>();

  constructor({ manager, status$, problems$ }: Watched, out: LineWriter) {
    this.#out = out;
    const subscriptions = [
      manager.changes().subscribe({
        next: (set) => {
          this.#change(set);
        },
        // It never errors.
        error: () => undefined,
      }),
      status$.subscribe({
        next: (status) => {
          this.#tell(status);
        },
        // It never errors.
        error: () => undefined,
      }),
      problems$.subscribe({
        next: ({ severity, text }) => {
          out.writeLine(`${severity}: ${printable(text)}`);
          out.flush();
        },
        // It never errors.
        error: () => undefined,
      }),
    ];
    this.#end = () => {
      for (const subscription of subscriptions) {
        subscription.unsubscribe();
      }
    };
  }

  /** Resolves when whoever reads has room for more. */
  ready(): Promise<void> {
    return this.#out.ready();
  }

  [Symbol.dispose](): void {
    this.#end();
  }

  #change({ generation, unmaps, maps }: ChangeSet): void {
    for (const { covers, region, type } of unmaps) {
      for (const range of covers) {
        const gone = this.#active.get(range.start);
        this.#active.delete(range.start);
        this.#line(generation, '-', range, kindOf(gone ?? { type, writable: true }), region);
      }
    }
    for (const map of maps) {
      this.#active.set(map.range.start, map);
      this.#line(generation, '+', map.range, kindOf(map), map.region);
    }
  }

  #line(generation: number, sign: string, range: MemoryRange, kind: string, name: string): void {
    this.#out.writeLine(
      `${generation} ${sign} ${range.toString()}  ${formatSize(range.length)}  ${fit(kind, 4)}  ${printable(name)}`,
    );
  }

  #tell({ phase }: SourceStatus): void {
    if (phase !== 'following' || this.#active.size > 0) {
      this.#out.writeLine(
        `source: ${{ following: 'there again', waiting: 'gone, waiting for it', ended: 'ended', failed: 'failed' }[phase]}`,
      );
      this.#out.flush();
    }
  }
}
