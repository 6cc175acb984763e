import { expect } from 'chai';
import { CommitLog } from '../../../cli/output/commit-log.js';
import { terminalOf } from '../../../cli/output/terminal.js';
import { MemoryRange, type DmaMapRequest } from '../../../streams/index.js';

describe('the log of the commits', () => {
  /** What is written about so many commits: `calls(index)` maps, `failed(index)` calls that fail. */
  function logOf(
    commits: number,
    calls: (index: number) => number,
    failed: (index: number) => number = () => 0,
  ): string[] {
    const lines: string[] = [];
    const log = new CommitLog((line) => lines.push(line), terminalOf({ columns: 100 }, {}), {
      shownTarget: 'log',
      style: 'compact',
      commits,
      rangeWidth: 21,
      nameWidth: 4,
    });
    let page = 0;
    for (let index = 0; index < commits; index++) {
      const [maps, failedCalls] = [calls(index), failed(index)];
      for (let count = 0; count < maps + failedCalls; count++, page++) {
        const request = requestOf(page);
        log.called({ op: 'map', target: 'log', request, ...(count < maps ? {} : { failed: 'EINVAL' }) });
      }
      const commit = { number: index, ms: index, removes: [], adds: [], holes: 0 };
      log.committed({ commit, index, maps, unmaps: 0, failedCalls, tookEffect: true, skipped: [] });
    }
    return lines;
  }

  it('shows 12 calls of a commit, and the 13th where it is the last', () => {
    for (const [calls, shown, last] of [
      [12, 12, /^ {6}\+ 0xb000-0xc000 /],
      [13, 13, /^ {6}\+ 0xc000-0xd000 /],
      [14, 12, /^ {6}and 2 more calls$/],
      [1000, 12, /^ {6}and 988 more calls$/],
    ] as const) {
      const lines = logOf(1, () => calls);
      expect(lines.filter((line) => line.startsWith('      +'))).to.have.length(shown);
      expect(lines.at(-1)).to.match(last);
    }
  });

  it('shows 12 failed calls, and how many more there are', () => {
    for (const [failed, shown, last] of [
      [12, 12, /✗ log cannot map 0xb000-0xc000: EINVAL/],
      [13, 13, /✗ log cannot map 0xc000-0xd000: EINVAL/],
      [14, 12, /^ {6}and 2 more failed calls$/],
    ] as const) {
      const lines = logOf(
        1,
        () => 0,
        () => failed,
      );
      expect(lines.filter((line) => line.includes('✗'))).to.have.length(shown);
      expect(lines.at(-1)).to.match(last);
    }
  });

  it('counts commits in the middle of a long trace, and shows one alone as it is', () => {
    const commits = (count: number): string[] =>
      logOf(count, () => 1)
        .filter((line) => !/^ {6}\S/.test(line))
        .map((line) => line.trim());
    expect(commits(24).map((line) => / commit (\d+) /.exec(line)?.[1])).to.deep.equal(
      Array.from({ length: 24 }, (_, index) => String(index)),
    );
    expect(commits(25).map((line) => / commit (\d+) /.exec(line)?.[1])).to.deep.equal(
      Array.from({ length: 25 }, (_, index) => String(index)),
    );
    expect(logOf(25, () => 1).filter((line) => line.startsWith('      +'))).to.have.length(25);
    expect(commits(26)[20]).to.equal('⋮  2 more commits, 20 ms to 21 ms: 0 unmaps and 2 maps at all targets together');
    expect(commits(26)).to.have.length(20 + 1 + 4);
  });

  it('shows a commit that stands alone between two that failed', () => {
    const lines = logOf(
      40,
      () => 1,
      (index) => (index === 22 || index === 24 ? 1 : 0),
    ).filter((line) => !/^ {6}\S/.test(line));
    expect(lines.slice(20, 25).map((line) => line.trim())).to.deep.equal([
      '⋮  2 more commits, 20 ms to 21 ms: 0 unmaps and 2 maps at all targets together',
      '22 ms  commit 22  no change',
      '23 ms  commit 23  no change',
      '24 ms  commit 24  no change',
      '⋮  11 more commits, 25 ms to 35 ms: 0 unmaps and 11 maps at all targets together',
    ]);
  });
});

function requestOf(page: number): DmaMapRequest {
  return {
    range: MemoryRange.ofPages(page, page + 1),
    region: 'ram',
    type: 'ram',
    writable: true,
    mappable: { fd: 0, label: 'ram' },
    fileOffset: 0n,
  };
}
