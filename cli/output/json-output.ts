import { callToJson, type TargetCall } from '../../targets/index.js';
import type { DmaFailure } from '../replay/dma-check.js';
import { problemOf } from '../replay/problems.js';
import type { CommitResult, ReplayObserver, ReplayReport } from '../replay/report.js';
import { complaintsOf } from './complaints.js';
import type { LineWriter } from './line-writer.js';
import { printableJson } from './text.js';

/**
 * Writes only JSON Lines to standard output: one line for each target call in order, one after each commit, and a summary.
 * Warnings and errors are passed to `complain`.
 */
export class JsonOutput implements ReplayObserver {
  readonly #out: LineWriter;
  readonly #complain: (message: string) => void;

  constructor(out: LineWriter, complain: (message: string) => void) {
    this.#out = out;
    this.#complain = complain;
  }

  started(): void {
    // There are no calls before the first commit.
  }

  called(call: TargetCall): void {
    this.#out.writeLine(printableJson(callToJson(call)));
  }

  async committed(result: CommitResult): Promise<void> {
    this.#out.writeLine(JSON.stringify({ op: 'commit', commit: result.commit.number }));
    for (const problem of complaintsOf(result)) {
      this.#complain(problem);
    }
    await this.#out.ready();
  }

  warned(warning: string): void {
    this.#complain(`warning: ${warning}`);
  }

  finished(report: ReplayReport): void {
    this.#out.writeLine(printableJson(JSON.stringify(summary(report))));
    this.#out.flush();
  }
}

/** Fields without content are left out: the interruption, back ends, failed commits, skipped sections, targets that are gone,
 * failed checks, the error at the end. */
function summary(report: ReplayReport): object {
  const { trace, mappings, targets, dma, backEnds, failures, skipped, gone, interrupted, closingError } = report;
  const { holes } = trace;
  return {
    op: 'summary',
    ...(interrupted === undefined
      ? {}
      : { interrupted: { ...interrupted, ...(trace.arriving === undefined ? { of: trace.commits.length } : {}) } }),
    mappings: mappings.map(({ range, region, writable, backing }) => ({
      range: range.toString(),
      region,
      writable,
      fileOffset: `0x${(backing === 'private' ? 0n : backing.fileOffset).toString(16)}`,
    })),
    targets: targets.map(({ name, maps, unmaps, failed }) => ({ name, maps, unmaps, failed })),
    ...(holes === 0 ? {} : { holes }),
    dma: {
      checked: dma?.checked ?? 0,
      failed: dma?.failed ?? 0,
      ...(dma?.hardware === undefined ? {} : { hardware: dma.hardware }),
      ...(dma === undefined || dma.failures.length === 0 ? {} : { failures: dma.failures.map(failureToJson) }),
    },
    ...(backEnds.length === 0 ? {} : { backEnds }),
    ...(failures.length === 0 ? {} : { failures }),
    ...(skipped.length === 0 ? {} : { skipped }),
    ...(gone.length === 0 ? {} : { gone }),
    ...(closingError === undefined ? {} : { closing: problemOf(closingError) }),
  };
}

function failureToJson({ target, address, what }: DmaFailure): object {
  return { target, address: `0x${address.toString(16)}`, reason: what };
}
