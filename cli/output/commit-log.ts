import type { DmaMapRequest, MemoryRange } from '../../streams/index.js';
import { RangeMap } from '../../streams/internal.js';
import { reasonOf } from '../errors.js';
import type { CommitResult } from '../replay/report.js';
import type { TargetCall } from '../../targets/index.js';
import { rangeOf } from '../replay/target-call.js';
import { describeSkip } from './complaints.js';
import { Excerpt } from './excerpt.js';
import { fold } from './fold.js';
import type { Terminal } from './terminal.js';
import { counted, fit, formatDuration, formatSize, printable, wrap } from './text.js';

/** How much of a long replay is shown; one more if it would be the only one left out. Failures are always shown. */
export interface Brevity {
  /** Commits from the start, and at the end, that are shown one by one. */
  readonly first: number;
  readonly last: number;
  /** Calls of one commit. */
  readonly calls: number;
  /** Commits that failed. */
  readonly failures: number;
}

const COMPACT: Brevity = { first: 20, last: 4, calls: 12, failures: 10 };
const FULL: Brevity = { first: Infinity, last: Infinity, calls: Infinity, failures: Infinity };

/** In columns: the width of a call without range and name, that is, indentation, sign, size and access. */
const CALL_WIDTH = 8 + 2 + 8 + 2 + 2 + 2;

/** In columns: the width of a call's second line without the name. */
const DETAIL_WIDTH = 8 + 8 + 2 + 2 + 2;

export interface CommitLogOptions {
  /** The target whose calls are shown, one line each; `undefined` shows only the commits. */
  readonly shownTarget: string | undefined;
  readonly style: 'compact' | 'full';
  /** Of the trace; `undefined` if it is still being written: then each commit is shown when it has been replayed. */
  readonly commits: number | undefined;
  /** In characters: of the longest range. */
  readonly rangeWidth: number;
  /** In columns: of the longest name. */
  readonly nameWidth: number;
}

/** A commit and its target calls. */
interface Entry {
  readonly result: CommitResult;
  /** Of the shown target. */
  readonly calls: Excerpt;
  /** Of all targets. */
  readonly failedCalls: Excerpt;
}

/** Commits that are counted instead of shown. */
interface PassedOver {
  /** Shown instead of a count if it is the only one. */
  readonly first: Entry;
  readonly commits: number;
  readonly maps: number;
  readonly unmaps: number;
  readonly failed: number;
  /** In milliseconds, of the last. */
  readonly to: number;
}

/** The log of the commits as text, shortened for long traces. */
export class CommitLog {
  readonly #terminal: Terminal;
  readonly #options: CommitLogOptions;
  readonly #brevity: Brevity;
  readonly #write: (line: string) => void;
  /** Whether a call takes two lines, because one line is too narrow. */
  readonly #twoLines: boolean;
  /** In columns. */
  readonly #nameWidth: number;
  /** The mappings of the shown target, because an unmap contains only its range. */
  readonly #held = new RangeMap<DmaMapRequest>();
  #calls: Excerpt;
  #failedCalls: Excerpt;
  #failuresShown = 0;
  #passedOver: PassedOver | undefined;

  constructor(write: (line: string) => void, terminal: Terminal, options: CommitLogOptions) {
    this.#write = write;
    this.#terminal = terminal;
    this.#options = options;
    const { limit } = terminal;
    const { rangeWidth, nameWidth } = options;
    this.#twoLines = CALL_WIDTH + rangeWidth + nameWidth > limit;
    this.#nameWidth = this.#twoLines ? Math.min(nameWidth, limit - DETAIL_WIDTH) : nameWidth;
    this.#brevity = options.style === 'full' ? FULL : COMPACT;
    this.#calls = new Excerpt(this.#brevity.calls);
    this.#failedCalls = new Excerpt(this.#brevity.calls);
  }

  called(call: TargetCall): void {
    const { colours, unicode, limit } = this.#terminal;
    const { failed } = call;
    if (failed !== undefined) {
      const cross = unicode ? '✗' : 'x';
      this.#failedCalls.add(() =>
        fold(
          `      ${cross} ${printable(call.target)} cannot ${call.op} ${rangeOf(call).toString()}: ${failed}`,
          limit,
        ).map(colours.red),
      );
      return;
    }
    if (call.target !== this.#options.shownTarget) {
      return;
    }
    const detail = call.op === 'map' ? this.#mapped(call.request) : this.#unmapped(call.range);
    this.#calls.add(() => this.#callLines(call.op, rangeOf(call), detail));
  }

  committed(result: CommitResult): void {
    const entry = { result, calls: this.#calls, failedCalls: this.#failedCalls };
    const failed = result.error !== undefined || result.failedCalls > 0;
    const { first, last, calls, failures } = this.#brevity;
    const { commits } = this.#options;
    const inView = commits === undefined || result.index < first || result.index >= commits - last;
    if (inView || (failed && this.#failuresShown < failures)) {
      this.#failuresShown += failed ? 1 : 0;
      this.#tellPassedOver();
      this.#show(entry);
    } else {
      const passed = this.#passedOver;
      this.#passedOver = {
        first: passed?.first ?? entry,
        commits: (passed?.commits ?? 0) + 1,
        maps: (passed?.maps ?? 0) + result.maps,
        unmaps: (passed?.unmaps ?? 0) + result.unmaps,
        failed: (passed?.failed ?? 0) + (failed ? 1 : 0),
        to: result.commit.ms,
      };
    }
    this.#calls = new Excerpt(calls);
    this.#failedCalls = new Excerpt(calls);
  }

  #show({ result: { commit, error, tookEffect, skipped }, calls, failedCalls }: Entry): void {
    const { colours, limit } = this.#terminal;
    const time = fit(formatDuration(commit.ms), 8, 'right');
    const what = `${colours.cyan(time)}  ${colours.bold(`commit ${commit.number}`)}  ${colours.dim(changesOf(commit))}`;
    for (const line of fold(what, limit, 10)) {
      this.#write(line);
    }
    const onlyHoles = commit.holes > 0 && commit.removes.length === 0 && commit.adds.length === 0;
    if (calls.count === 0 && this.#options.shownTarget !== undefined && error === undefined && !onlyHoles) {
      const why = hasPriorities(commit)
        ? 'the mappings that show have not changed'
        : 'the removed sections were added again unchanged';
      this.#write(colours.dim(`      no calls: ${why}`));
    }
    const lines = [
      ...calls.lines((count) => colours.dim(`      and ${counted(count, 'more call')}`)),
      ...failedCalls.lines((count) => colours.red(`      and ${counted(count, 'more failed call')}`)),
    ];
    for (const line of lines) {
      this.#write(line);
    }
    for (const skip of skipped.slice(0, this.#brevity.calls)) {
      for (const line of wrap(printable(describeSkip(skip)), this.#terminal.width - 8)) {
        this.#write(colours.yellow(`        ${line}`));
      }
    }
    if (error !== undefined) {
      const outcome = tookEffect ? 'took effect, but' : 'failed and was undone at every target:';
      const reason = printable(reasonOf(error));
      for (const line of wrap(`${outcome} ${reason}`, this.#terminal.width - 8)) {
        this.#write(colours.red(`        ${line}`));
      }
    }
  }

  #tellPassedOver(): void {
    const passed = this.#passedOver;
    if (passed === undefined) {
      return;
    }
    this.#passedOver = undefined;
    const { first, commits, maps, unmaps, failed, to } = passed;
    if (commits === 1) {
      this.#show(first);
      return;
    }
    const { colours, unicode } = this.#terminal;
    const failures = failed === 0 ? '' : `, ${failed} of them failed`;
    const summary =
      `${counted(commits, 'more commit')}, ${formatDuration(first.result.commit.ms)} to ${formatDuration(to)}: ` +
      `${counted(unmaps, 'unmap')} and ${counted(maps, 'map')} at all targets together${failures}`;
    for (const [index, line] of wrap(summary, this.#terminal.width - 10).entries()) {
      const mark = index > 0 ? '' : unicode ? '⋮' : '...';
      this.#write(colours.dim(`${fit(mark, 8, 'right')}  ${line}`));
    }
  }

  #mapped(request: DmaMapRequest): string {
    this.#held.insert(request);
    return `${this.#name(request.region)}  ${accessOf(request)}`;
  }

  #unmapped(range: MemoryRange): string {
    const ended = this.#held.overlapping(range);
    for (const request of ended) {
      this.#held.remove(request.range);
    }
    const [only] = ended;
    if (ended.length !== 1 || only === undefined) {
      return counted(ended.length, 'mapping');
    }
    return `${this.#name(only.region)}  ${accessOf(only)}`;
  }

  #name(region: string): string {
    return fit(printable(region), this.#nameWidth);
  }

  #callLines(op: 'map' | 'unmap', range: MemoryRange, detail: string): readonly string[] {
    const { colours, limit } = this.#terminal;
    const sign = op === 'map' ? colours.green('+') : colours.red('-');
    const size = fit(formatSize(range.length), 8, 'right');
    if (this.#twoLines) {
      const indent = Math.max(0, Math.min(6, limit - 2 - this.#options.rangeWidth));
      return [`${' '.repeat(indent)}${sign} ${range.toString()}`, ...fold(`        ${size}  ${detail}`, limit, 18)];
    }
    return [`      ${sign} ${fit(range.toString(), this.#options.rangeWidth)}  ${size}  ${detail}`];
  }
}

function accessOf({ writable, type }: DmaMapRequest): string {
  return (writable ? 'rw' : 'r') + (type === 'device' ? ' device' : '');
}

function hasPriorities({ removes, adds }: CommitResult['commit']): boolean {
  return [...removes, ...adds].some(({ priority }) => priority !== undefined);
}

function changesOf({ removes, adds, holes }: CommitResult['commit']): string {
  const parts = [
    removes.length === 0 ? '' : `${counted(removes.length, 'section')} removed`,
    adds.length === 0 ? '' : removes.length === 0 ? `${counted(adds.length, 'section')} added` : `${adds.length} added`,
    holes === 0 ? '' : `${counted(holes, 'hole')} ignored`,
  ];
  return parts.filter((part) => part !== '').join(', ') || 'no change';
}
