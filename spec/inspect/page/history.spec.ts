import { expect } from 'chai';
import { History, type Moment } from '../../../inspect/page/model/history.js';
import { isFailure, Log } from '../../../inspect/page/model/log.js';
import { applyChanges, NO_STATE } from '../../../inspect/page/model/state.js';
import type { LogEntry, SetEntry } from '../../../inspect/wire/messages.js';
import { changes, mapping } from './support/wire.js';

function moment(generation: number, more: Partial<Moment> = {}): Moment {
  return {
    state: { ...NO_STATE, generation },
    mapped: [],
    unmapped: [],
    targets: [],
    sets: 1,
    failed: false,
    logged: generation,
    ...more,
  };
}

const set = (key: number, more: Partial<SetEntry> = {}): SetEntry => ({
  ...{ kind: 'set', key, at: 1, generation: key, sets: 1, status: 'applied' },
  ...{ maps: [], mapCount: 0, unmaps: [], unmapCount: 0, mapPages: 0, unmapPages: 0, answers: [] },
  ...more,
});

describe('the history of the page', () => {
  it('is empty at first', () => {
    const history = new History();
    expect([history.first, history.last, history.at(0)]).to.deep.equal([-1, -1, undefined]);
  });

  it('drops the oldest states when there are too many, and keeps the numbers of the others', () => {
    const history = new History({ moments: 3, bytes: 1e6 });
    [0, 1, 2, 3, 4].forEach((generation) => history.add(moment(generation)));
    expect([history.first, history.last, history.dropped]).to.deep.equal([2, 4, 2]);
    expect(history.at(3)?.state.generation).to.equal(3);
    expect(history.at(0)?.state.generation, 'the nearest that is kept').to.equal(2);
    expect(history.at(9)?.state.generation).to.equal(4);
  });

  it('drops them when there is too much in them, but never the last one', () => {
    const history = new History({ moments: 100, bytes: 5000 });
    history.add(moment(0));
    history.add(moment(1, { mapped: [[0, 1]], unmapped: [[1, 2]] }));
    history.add(moment(2, { mapped: Array.from({ length: 50 }, (_, start) => [start, start + 1] as const) }));
    expect([history.first, history.last]).to.deep.equal([2, 2]);
    history.add(moment(3));
    expect([history.first, history.last]).to.deep.equal([3, 3]);
  });

  it('drops them when their lists, which share what did not change, are large', () => {
    const history = new History({ moments: 1000, bytes: 1e6 });
    // 10,000 mappings, of which each state has 20 in other places: some 16 kB of lists each.
    let state = applyChanges(
      NO_STATE,
      changes({ mappings: Array.from({ length: 10_000 }, (_, index) => mapping(2 * index, 2 * index + 1)) }),
    );
    for (let generation = 0; generation < 300; generation++) {
      history.add(moment(generation, { state }));
      const starts = Array.from({ length: 20 }, (_, index) => 2 * ((index * 500 + generation) % 10_000));
      state = applyChanges(state, changes({ mappings: starts.map((start) => mapping(start, start + 1)) }));
    }
    expect(history.bytes).to.be.within(0.9e6, 1e6);
    expect(history.last - history.first).to.be.within(10, 100);
    // What shares all its lists takes next to nothing.
    const before = history.bytes;
    history.add(moment(300, { state: history.at(history.last)?.state ?? state }));
    expect(history.bytes).to.be.at.most(before + 1000);
  });

  it('counts the change sets since a state', () => {
    const history = new History({ moments: 3, bytes: 1e6 });
    [1, 10, 100, 1000].forEach((sets) => history.add(moment(0, { sets })));
    expect([1, 2, 3].map((number) => history.setsAfter(number))).to.deep.equal([1100, 1000, 0]);
  });

  it('finds the state after an entry of the log', () => {
    const history = new History({ moments: 3, bytes: 1e6 });
    [2, 5, 5, 9].forEach((logged) => history.add(moment(0, { logged })));
    // Entries 0 and 1 came with state 0, which was dropped; 2 to 4 with state 1, 5 to 8 with state 3.
    expect([0, 2, 4, 5, 8].map((sequence) => history.numberOfEntry(sequence))).to.deep.equal([1, 1, 1, 3, 3]);
  });
});

describe('the log of the page', () => {
  const all = (): boolean => true;

  it('gives the latest entries first, up to those of a state', () => {
    const log = new Log();
    log.add([0, 1, 2, 3].map((key) => set(key)));
    expect(log.latest(4, 2, all).map(({ sequence }) => sequence)).to.deep.equal([3, 2]);
    expect(log.latest(2, 9, all).map(({ sequence }) => sequence)).to.deep.equal([1, 0]);
    expect(log.latest(4, 9, ({ key }) => key % 2 === 0).map(({ sequence }) => sequence)).to.deep.equal([2, 0]);
    expect(log.latest(4, 9, all, 2).map(({ sequence }) => sequence)).to.deep.equal([3, 2]);
  });

  it('drops the oldest entries, and says how many', () => {
    const log = new Log({ entries: 2, weight: 1000 });
    log.add([0, 1, 2].map((key) => set(key)));
    expect([log.count, log.dropped]).to.deep.equal([3, 1]);
    expect(log.latest(3, 9, all).map(({ sequence }) => sequence)).to.deep.equal([2, 1]);
    expect(log.latest(1, 9, all)).to.deep.equal([]);
  });

  const failures: readonly (readonly [what: string, entry: LogEntry, failure: boolean])[] = [
    ['a set that was applied', set(1, { answers: [{ key: 1, target: 't', status: 'applied' }] }), false],
    ['a set that was undone', set(1, { status: 'undone' }), true],
    ['a set whose unmap failed', set(1, { answers: [{ key: 1, target: 't', status: 'failed' }] }), true],
    [
      'a set of which maps were skipped',
      set(1, { answers: [{ key: 1, target: 't', status: 'applied', skipped: 2 }] }),
      true,
    ],
    ['a warning', { kind: 'note', key: 1, at: 1, severity: 'warning', error: { message: 'm' } }, false],
    ['an error of the source', { kind: 'note', key: 1, at: 1, severity: 'error', error: { message: 'm' } }, true],
  ];
  for (const [what, entry, failure] of failures) {
    it(`counts ${what} as ${failure ? 'a' : 'no'} failure`, () => {
      expect(isFailure(entry)).to.equal(failure);
    });
  }
});
