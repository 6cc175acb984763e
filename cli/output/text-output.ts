import { basename } from 'node:path';
import { succeeded, type CommitResult, type ReplayObserver, type ReplayReport } from '../replay/report.js';
import type { TargetCall } from '../../targets/index.js';
import type { TargetChoice } from '../replay/target-choice.js';
import { isMapped } from '../trace/section.js';
import type { Trace } from '../trace/trace.js';
import { closingLine, describeBackEnds, describeDmaCheck, describeGone, describeSkipped } from './closing.js';
import { CommitLog } from './commit-log.js';
import { complaintsOf } from './complaints.js';
import { fold } from './fold.js';
import type { LineWriter } from './line-writer.js';
import { drawAddressSpace } from './picture.js';
import { drawTargetTable } from './target-table.js';
import type { Terminal } from './terminal.js';
import { counted, displayWidth, fit, formatDuration, formatSize, printable, wrap } from './text.js';

export interface TextOutputOptions {
  /** The log is complete if it was requested as a target, otherwise shortened. */
  readonly logStyle: 'compact' | 'full';
  /** Prints only the result. */
  readonly quiet: boolean;
}

const WIDEST_RANGE = 41;
const WIDEST_NAME = 24;

/** Of a trace that is still being written. */
const USUAL_RANGE = '0x100000000-0x140000000'.length;
const USUAL_NAME = 'system.flash0'.length;

/** In columns: the indentation around the name of a target, and the least width for its description. */
const HEADING_INDENT = 8;
const NARROWEST_DESCRIPTION = 20;

/** The replay as text: the commits, then the address space, the targets, the DMA check, and the result. */
export class TextOutput implements ReplayObserver {
  readonly #out: LineWriter;
  readonly #complain: (message: string) => void;
  readonly #terminal: Terminal;
  readonly #options: TextOutputOptions;
  #log: CommitLog | undefined;

  constructor(out: LineWriter, complain: (message: string) => void, terminal: Terminal, options: TextOutputOptions) {
    this.#out = out;
    this.#complain = complain;
    this.#terminal = terminal;
    this.#options = options;
  }

  started(trace: Trace, targets: readonly TargetChoice[]): void {
    if (this.#options.quiet) {
      return;
    }
    const { rangeWidth, nameWidth } = widthsOf(trace);
    this.#log = new CommitLog(
      (line) => {
        this.#out.writeLine(line);
      },
      this.#terminal,
      {
        shownTarget: targets.find(({ kind }) => kind === 'log')?.name,
        style: this.#options.logStyle,
        commits: trace.arriving === undefined ? trace.commits.length : undefined,
        rangeWidth,
        nameWidth,
      },
    );
    this.#heading(trace, targets);
  }

  called(call: TargetCall): void {
    this.#log?.called(call);
  }

  async committed(result: CommitResult): Promise<void> {
    if (this.#log !== undefined) {
      this.#log.committed(result);
    } else {
      for (const problem of complaintsOf(result)) {
        this.#complain(problem);
      }
    }
    await this.#out.ready();
  }

  warned(warning: string): void {
    this.#complain(`warning: ${warning}`);
  }

  finished(report: ReplayReport): void {
    if (report.interrupted !== undefined) {
      this.#lines(this.#options.quiet ? [] : ['']);
    } else if (!this.#options.quiet) {
      this.#section('Address space', addressSpaceSize(report));
      this.#lines(drawAddressSpace(report.mappings, report.targets, this.#terminal, report.layers));
      this.#section('Targets', 'calls, and current mappings');
      this.#lines(drawTargetTable(report.targets, this.#terminal));
      this.#lines(describeSkipped(report.skipped, this.#terminal));
      this.#lines(describeGone(report.gone, this.#terminal));
      this.#section('DMA check', report.dma === undefined ? 'not performed' : '');
      this.#lines(describeDmaCheck(report, this.#terminal));
      this.#lines(describeBackEnds(report, this.#terminal));
      this.#out.writeLine('');
    }
    const { colours, unicode } = this.#terminal;
    const well = succeeded(report);
    const mark = well ? (unicode ? '✓' : 'ok:') : unicode ? '✗' : 'failed:';
    const [first, ...more] = wrap(closingLine(report), this.#terminal.width - mark.length - 1);
    const colour = well ? colours.green : colours.red;
    this.#lines([
      colour(colours.bold(`${mark} ${first ?? ''}`)),
      ...more.map((line) => colour(colours.bold(`${' '.repeat(mark.length)} ${line}`))),
    ]);
    this.#out.flush();
  }

  #heading(trace: Trace, targets: readonly TargetChoice[]): void {
    const { colours, width, limit } = this.#terminal;
    const name = trace.path === '-' ? 'standard input' : printable(basename(trace.path));
    this.#out.writeLine(colours.bold(`Replay of ${name}`));
    const what = trace.arriving === undefined ? extentOf(trace) : 'each commit as it arrives';
    this.#lines(wrap(what, width - 2).map((line) => `  ${line}`));
    const nameWidth = Math.max(0, ...targets.map((target) => displayWidth(printable(target.name))));
    const besideNames = HEADING_INDENT + nameWidth + NARROWEST_DESCRIPTION <= limit;
    for (const target of targets) {
      if (!besideNames) {
        this.#lines([
          ...fold(colours.dim('  to  ') + colours.bold(printable(target.name)), limit, 6),
          ...fold(colours.dim(`      ${printable(target.description)}`), limit, 6),
        ]);
        continue;
      }
      const [first = '', ...more] = wrap(
        printable(target.description),
        Math.max(NARROWEST_DESCRIPTION, width - nameWidth - 12),
      );
      this.#lines([
        colours.dim('  to  ') + colours.bold(fit(printable(target.name), nameWidth)) + colours.dim(`  ${first}`),
        ...more.map((line) => colours.dim(' '.repeat(HEADING_INDENT + nameWidth) + line)),
      ]);
    }
    this.#section('What happened', '+ mapped, - unmapped');
  }

  #section(title: string, note: string): void {
    const { colours } = this.#terminal;
    this.#lines(['', colours.bold(title) + (note === '' ? '' : colours.dim(`  ${note}`))]);
  }

  #lines(lines: readonly string[]): void {
    for (const line of lines) {
      this.#out.writeLine(line);
    }
  }
}

function addressSpaceSize({ mappings }: ReplayReport): string {
  const bytes = mappings.reduce((sum, { range }) => sum + range.length, 0n);
  return `${counted(mappings.length, 'mapping')}, ${formatSize(bytes)}`;
}

function extentOf({ commits, blocks, holes, lineCount }: Trace): string {
  const lasted = (commits.at(-1)?.ms ?? 0) - (commits[0]?.ms ?? 0);
  const memory = [...blocks.values()].reduce((sum, { size }) => sum + size, 0n);
  const ignored = holes === 0 ? '' : `; ${counted(holes, 'hole')} ignored: no memory, or no whole page`;
  return (
    `${counted(lineCount, 'line')} in ${counted(commits.length, 'commit')} over ${formatDuration(lasted)}, ` +
    `${counted(blocks.size, 'memory block')} of ${formatSize(memory)} in total${ignored}`
  );
}

/** Of the whole trace, so that all commits line up. */
function widthsOf(trace: Trace): { readonly rangeWidth: number; readonly nameWidth: number } {
  if (trace.arriving !== undefined) {
    return { rangeWidth: USUAL_RANGE, nameWidth: USUAL_NAME };
  }
  let rangeWidth = 0;
  for (const { adds } of trace.commits) {
    for (const { range } of adds.filter(isMapped)) {
      rangeWidth = Math.max(rangeWidth, range.toString().length);
    }
  }
  const names = [...trace.blocks.keys()].map((name) => displayWidth(printable(name)));
  return {
    rangeWidth: Math.min(WIDEST_RANGE, rangeWidth),
    nameWidth: Math.min(
      WIDEST_NAME,
      names.reduce((widest, width) => Math.max(widest, width), 0),
    ),
  };
}
