import { callToJson, type TargetCall } from '../../targets/index.js';
import { reasonOf } from '../errors.js';
import type { CommitResult, ReplayObserver, ReplayReport } from '../replay/report.js';
import type { LineWriter } from './line-writer.js';
import { printableJson } from './text.js';

/**
 * JSON Lines on standard output, and nothing else there: one for each target call in their order, one after each commit,
 * and a summary. What is for people goes to `complain`.
 */
export class JsonOutput implements ReplayObserver {
  readonly #out: LineWriter;
  readonly #complain: (message: string) => void;

  constructor(out: LineWriter, complain: (message: string) => void) {
    this.#out = out;
    this.#complain = complain;
  }

  started(): void {
    // A machine that is empty has had no calls.
  }

  called(call: TargetCall): void {
    this.#out.writeLine(printableJson(callToJson(call)));
  }

  async committed({ commit, error }: CommitResult): Promise<void> {
    this.#out.writeLine(JSON.stringify({ op: 'commit', commit: commit.number }));
    if (error !== undefined) {
      this.#complain(`commit ${commit.number} failed: ${reasonOf(error)}`);
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

function summary({ trace: { holes }, mappings, targets, dma }: ReplayReport): object {
  return {
    op: 'summary',
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
    },
  };
}
