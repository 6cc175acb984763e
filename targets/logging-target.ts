import type { DmaMapRequest, DmaTarget, MemoryRange } from '../streams/index.js';
import { checkMapRequest, checkRange } from './call-checks.js';
import { callToJson, callToText, type TargetCall } from './call-line.js';

export interface LoggingTargetOptions {
  /** Default `'log'`. */
  readonly name?: string;
  /** Takes each line, without a line break. What it throws fails the call. Default: standard output. */
  readonly write?: (line: string) => void;
  /** `'text'`, for people, is the default; `'json'` writes the lines of `dma-streams replay --json`. */
  readonly format?: 'text' | 'json';
}

/** Writes a line for each call, in the order of the calls. Needs no memory to be mapped: it shows what another target would see. */
export class LoggingTarget implements DmaTarget {
  readonly name: string;
  readonly #write: (line: string) => void;
  readonly #format: (call: TargetCall) => string;

  /** @throws TypeError when an option is not of its type */
  constructor(options: LoggingTargetOptions = {}) {
    if ((options as unknown) === null) {
      throw optionsError();
    }
    const { name = 'log', write = writeLine, format = 'text' } = options;
    if (typeof name !== 'string' || typeof write !== 'function' || !['text', 'json'].includes(format)) {
      throw optionsError();
    }
    this.name = name;
    this.#write = write;
    this.#format = format === 'json' ? callToJson : callToText;
  }

  /** @throws TypeError when the request is not of its type: nothing is written; and what `write` throws */
  mapDma(request: DmaMapRequest): void {
    checkMapRequest(request);
    checkRange(request.range);
    this.#write(this.#format({ op: 'map', target: this.name, request }));
  }

  /** @throws TypeError when it is no range: nothing is written; and what `write` throws */
  unmapDma(range: MemoryRange): void {
    checkRange(range);
    this.#write(this.#format({ op: 'unmap', target: this.name, range }));
  }
}

function writeLine(line: string): void {
  process.stdout.write(`${line}\n`);
}

function optionsError(): TypeError {
  return new TypeError("a LoggingTarget takes { name: string, write: (line) => void, format: 'text' | 'json' }");
}
