import { concatMap, from, fromEvent, lastValueFrom, takeUntil } from 'rxjs';
import type { QemuSource } from '../../sources/index.js';
import type { TextSink } from '../output/text-sink.js';
import { TraceWriter } from '../trace/trace-writer.js';

export interface RecordOptions {
  /** Ends the recording. What has been seen before is written. */
  readonly signal: AbortSignal;
  /** Is told after each commit. */
  readonly wrote: () => void;
}

/** A recording of the memory map of QEMU. */
export class Recording {
  readonly #writer = new TraceWriter();
  #begun: number | undefined;
  #last = 0;
  #isConnected = true;

  /** `false` while QEMU is awaited after it has ended. */
  get isConnected(): boolean {
    return this.#isConnected;
  }

  get commits(): number {
    return this.#writer.commits;
  }

  /** Of memory, that are there now. */
  get sections(): number {
    return this.#writer.sections;
  }

  /** Since the first commit, in milliseconds. */
  get lasted(): number {
    return this.#begun === undefined ? 0 : performance.now() - this.#begun;
  }

  /** From the first commit to the last one, in milliseconds. */
  get extent(): number {
    return this.#last;
  }

  /** Sections that had to be left out, as a sentence; `undefined` if there are none. */
  get warning(): string | undefined {
    const section = this.#writer.unmappable;
    return section === undefined
      ? undefined
      : `"${section.name}" at 0x${section.start.toString(16)} was left out: its pages are not whole pages of its memory region`;
  }

  /**
   * Writes a trace until QEMU ends, or the signal is aborted. Each commit is written whole.
   *
   * @throws DmaError of the source, or the error of writing. All commits before are written.
   */
  async run(source: QemuSource, sink: TextSink, { signal, wrote }: RecordOptions): Promise<void> {
    if (signal.aborted) {
      return;
    }
    const recorded$ = source.sections$.pipe(
      // eslint-disable-next-line rxjs-x/no-unsafe-takeuntil -- what was seen before is still written
      takeUntil(fromEvent(signal, 'abort')),
      concatMap((sections) => {
        const now = performance.now();
        this.#begun ??= now;
        this.#last = now - this.#begun;
        return from(sink.write(this.#writer.commit(this.#last, sections)).then(wrote));
      }),
    );
    const connection = source.connected$.subscribe({
      next: (isConnected) => {
        this.#isConnected = isConnected;
      },
      // It never errors.
      error: () => undefined,
    });
    try {
      await lastValueFrom(recorded$, { defaultValue: undefined });
    } finally {
      connection.unsubscribe();
    }
  }
}
