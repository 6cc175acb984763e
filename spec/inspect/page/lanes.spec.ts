import { expect } from 'chai';
import { laneTargets } from '../../../inspect/page/model/lane-targets.js';
import { lanesOf } from '../../../inspect/page/model/lanes.js';
import type { WireTarget } from '../../../inspect/wire/messages.js';
import { target } from './support/wire.js';

describe('the lanes of the drawing', () => {
  it('are side by side, inside the width, however many there are', () => {
    for (const width of [280, 360, 600, 900, 2000]) {
      for (const levels of [0, 1, 3, 40]) {
        for (const targets of [0, 1, 3, 12, 200]) {
          const lanes = lanesOf(width, levels, targets, width % 7 === 0 ? 19 : 11);
          const all = [lanes.axis, lanes.guest, ...lanes.levels, ...lanes.targets];
          const what = `${width.toString()} px, ${levels.toString()} levels, ${targets.toString()} targets`;
          all.slice(1).forEach(({ left }, index) => {
            const before = all[index];
            expect(left, what).to.be.at.least((before?.left ?? 0) + (before?.width ?? 0));
          });
          const last = all.at(-1);
          expect((last?.left ?? 0) + (last?.width ?? 0), what).to.be.at.most(width);
          expect(Math.min(...all.map((lane) => lane.width)), what).to.be.at.least(7);
          expect(lanes.targets.length, what).to.be.at.least(Math.min(targets, width < 600 ? 1 : 2));
        }
      }
    }
  });

  it('have the width that there is on a large screen', () => {
    const { axis, guest, regions, targets } = lanesOf(1900, 2, 3);
    const used = [axis, guest, regions, ...targets].reduce((sum, { width }) => sum + width, 0);
    expect(used).to.be.greaterThan(1400);
  });
});

describe('the targets that have a lane', () => {
  const keys = (targets: readonly WireTarget[], lanes: number, from = 0): readonly number[] =>
    laneTargets(targets, lanes, from).shown.map(({ key }) => key);

  it('are all in their order where there is room', () => {
    expect(keys([target(1), target(2, { stuck: 1 }), target(3)], 3)).to.deep.equal([1, 2, 3]);
  });

  it('are those with problems where there is not, then those that have not answered', () => {
    const targets = [target(1), target(2, { pendingSince: 1 }), target(3), target(4, { missing: 1 }), target(5)];
    expect(keys(targets, 3)).to.deep.equal([4, 2, 1]);
  });

  it('can all be reached', () => {
    const targets = Array.from({ length: 8 }, (_, key) => target(key));
    expect([0, 3, 6, 99].map((from) => keys(targets, 3, from))).to.deep.equal([
      [0, 1, 2],
      [3, 4, 5],
      [5, 6, 7],
      [5, 6, 7],
    ]);
  });
});
