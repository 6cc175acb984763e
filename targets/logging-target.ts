import type { DmaMapRequest, DmaTarget, MemoryRange } from '../streams/index.js';
import { checkMapRequest, checkRange } from './call-checks.js';
import { callToJson, callToText, type TargetCall } from './call-line.js';
import { checkOptions, printable } from '../streams/internal.js';

/** Options of a `LoggingTarget`. */
export interface LoggingTargetOptions {
  /** Name in lines and errors. Default: `'log'`. */
  readonly name?: string;
  /** Receives each line, without a line break. If it throws, the call fails with that error. Default: writes to standard output. */
  readonly write?: (line: string) => void;
  /** `'text'`: human-readable lines. `'json'`: the lines of `dma-streams replay --json`. Default: `'text'`. */
  readonly format?: 'text' | 'json';
}

/**
 * A target that writes one line for each call, in call order. It accesses no memory, and shows the calls that another target would receive.
 *
 * @example
 * ```ts
 * import { RegionManager } from 'dma-streams';
 * import { LoggingTarget } from 'dma-streams/targets';
 *
 * await using manager = new RegionManager();
 * await manager.attach(new LoggingTarget({ name: 'log', write: (line) => console.error(line) }));
 * ```
 */
export class LoggingTarget implements DmaTarget {
  readonly name: string;
  readonly #write: (line: string) => void;
  readonly #format: (call: TargetCall) => string;

  /** @throws TypeError if an option has the wrong type */
  constructor(options: LoggingTargetOptions = {}) {
    checkOptions(options, { name: true, write: true, format: true }, 'LoggingTarget');
    const { name = 'log', write = writeLine, format = 'text' } = options;
    if (typeof name !== 'string' || typeof write !== 'function' || !['text', 'json'].includes(format)) {
      throw optionsError();
    }
    this.name = name;
    this.#write = write;
    this.#format = format === 'json' ? callToJson : callToText;
  }

  /** Writes a line for the map. @throws TypeError if the request is invalid: nothing is written; also the errors of `write` */
  mapDma(request: DmaMapRequest): void {
    checkMapRequest(request);
    checkRange(request.range);
    this.#write(this.#format({ op: 'map', target: this.name, request }));
  }

  /** Writes a line for the unmap. @throws TypeError if `range` is not a `MemoryRange`: nothing is written; also the errors of `write` */
  unmapDma(range: MemoryRange): void {
    checkRange(range);
    this.#write(this.#format({ op: 'unmap', target: this.name, range }));
  }
}

printable(LoggingTarget, ({ name }) => ({ name }));

function writeLine(line: string): void {
  process.stdout.write(`${line}\n`);
}

function optionsError(): TypeError {
  return new TypeError("a LoggingTarget takes { name: string, write: (line) => void, format: 'text' | 'json' }");
}
