import { expect } from 'chai';
import fc from 'fast-check';
import { AbsentRuns } from '../../../inspect/server/model/absent-runs.js';
import { MemoryRange } from '../../../streams/index.js';

const PAGES = 24;

describe('the runs of mappings that a target lacks', () => {
  it('cover what is absent and nothing that is held, begin where a mapping does, and are told of as they change', () => {
    const step = fc.record({
      kind: fc.constantFrom('absent', 'absent', 'absent after the one before', 'held', 'gone'),
      start: fc.nat({ max: PAGES - 1 }),
      length: fc.integer({ min: 1, max: 3 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        /** The active mappings, by first page. */
        const active = new Map<number, { readonly range: MemoryRange; readonly isAbsent: boolean }>();
        const sorted = (): MemoryRange[] =>
          [...active.values()].map(({ range }) => range).sort((one, other) => one.startPage - other.startPage);
        const told = new Map<number, MemoryRange>();
        const changes = {
          put: (range: MemoryRange) => void told.set(range.startPage, range),
          remove: (page: number) => void told.delete(page),
        };
        const runs = new AbsentRuns(
          (from, end) => sorted().find(({ startPage, endPage }) => endPage > from && startPage < end)?.startPage,
        );
        for (const { kind, start, length } of steps) {
          const range = MemoryRange.ofPages(start, start + length);
          for (const other of sorted().filter((one) => one.overlaps(range))) {
            active.delete(other.startPage);
            runs.remove(other, changes);
          }
          if (kind === 'gone') {
            continue;
          }
          active.set(start, { range, isAbsent: kind !== 'held' });
          const before = sorted().findLast(({ endPage }) => endPage <= start);
          const isBeforeAbsent = before !== undefined && active.get(before.startPage)?.isAbsent === true;
          if (kind === 'held') {
            runs.remove(range, changes);
          } else {
            runs.add(range, kind === 'absent' || !isBeforeAbsent ? undefined : before, changes);
          }
          const ranges = [...runs.ranges()].flat();
          expect([...told.values()].sort((one, other) => one.startPage - other.startPage)).to.deep.equal(ranges);
          for (const { range: mapping, isAbsent } of active.values()) {
            expect(ranges.some((run) => (isAbsent ? run.contains(mapping) : run.overlaps(mapping)))).to.equal(isAbsent);
          }
          for (const [index, run] of ranges.entries()) {
            expect(active.get(run.startPage)?.isAbsent, run.toString()).to.equal(true);
            expect(run.startPage).to.be.at.least(ranges[index - 1]?.endPage ?? 0);
          }
          if (kind === 'absent after the one before' && isBeforeAbsent) {
            expect(ranges.some((run) => run.contains(before) && run.contains(range))).to.equal(true);
          }
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('are one for a long list, found in the order of addresses', () => {
    const runs = new AbsentRuns(() => undefined);
    let changes = 0;
    const count = (): void => {
      changes += 1;
    };
    const counting = { put: count, remove: count };
    let before: MemoryRange | undefined;
    for (let page = 0; page < 1_000; page += 2) {
      const range = MemoryRange.ofPages(page, page + 1);
      runs.add(range, before, counting);
      before = range;
    }
    expect([...runs.ranges()].flat().map(String)).to.deep.equal(['0x0-0x3e7000']);
    // Looking at it again changes nothing.
    changes = 0;
    runs.add(MemoryRange.ofPages(500, 501), MemoryRange.ofPages(498, 499), counting);
    expect(changes).to.equal(0);
  });
});
