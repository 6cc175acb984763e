import { expect } from 'chai';
import { boundsOf, Pictures } from '../../../inspect/page/model/picture.js';
import { Fold } from '../../../inspect/page/model/fold.js';
import { ALL_PAGES } from '../../../inspect/page/model/scale.js';
import { applyChanges, NO_STATE } from '../../../inspect/page/model/state.js';
import { changes, mapping, region } from './support/wire.js';

describe('the picture of a state', () => {
  const state = applyChanges(
    NO_STATE,
    changes({
      regions: [region(0, 10, 100), region(1, 20, 30, { priority: 1 })],
      mappings: [mapping(10, 20, 'region 0')],
    }),
  );

  it('has the regions in levels, what shows of them, and where there is something', () => {
    const { levels, shown, totals, content } = new Pictures(() => 0).of(state);
    expect(levels.map((level) => level.toArray().map(({ key }) => key))).to.deep.equal([[0], [1]]);
    expect(shown.size).to.equal(3);
    expect(totals).to.deep.equal({ mapped: 2, hidden: 0, partly: 1 });
    expect(content).to.deep.equal([10, 100]);
  });

  it('is of nothing where there is nothing, and leaves containers out', () => {
    const pictures = new Pictures(() => 0);
    expect(pictures.of(NO_STATE).content).to.equal(undefined);
    const container = applyChanges(state, changes({ regions: [region(2, 0, ALL_PAGES, { holes: 'transparent' })] }));
    expect(pictures.of(container).content).to.deep.equal([10, 100]);
  });

  it('reaches as far as what a target has not let go of', () => {
    const stuck = applyChanges(
      state,
      changes({ exceptions: [{ target: 1, added: [{ kind: 'stuck', pages: [500, 600] }] }] }),
    );
    expect(new Pictures(() => 0).of(stuck).content).to.deep.equal([10, 600]);
  });

  it('is worked out again only when what it depends on has changed', () => {
    const pictures = new Pictures(() => 0);
    const first = pictures.of(state);
    expect(pictures.of(applyChanges(state, changes({ mappings: [mapping(40, 50, 'region 0')] })))).to.equal(first);
    const moved = pictures.of(applyChanges(state, changes({ regions: [region(1, 40, 50)] })));
    expect(moved).not.to.equal(first);
    const transparent = applyChanges(state, changes({ regions: [region(2, 0, 200, { holes: 'transparent' })] }));
    const second = pictures.of(transparent);
    expect(pictures.of(applyChanges(transparent, changes({ mappings: [mapping(150, 160, 'region 2')] })))).not.to.equal(
      second,
    );
  });

  it('may be one of a moment ago when it takes long', () => {
    let now = 0;
    let step = 100;
    // Time passes while it is worked out.
    const pictures = new Pictures(() => (now += step));
    const first = pictures.of(state);
    step = 0;
    const changed = applyChanges(state, changes({ regions: [region(1, 40, 50)] }));
    expect([pictures.of(changed) === first, pictures.isOld]).to.deep.equal([true, true]);
    now += 499;
    expect([pictures.of(changed) === first, pictures.isOld]).to.deep.equal([true, true]);
    now += 2;
    expect([pictures.of(changed) === first, pictures.isOld]).to.deep.equal([false, false]);
  });

  it('can be seen from address 0 to a little beyond its end, or beyond what was looked for', () => {
    expect(boundsOf([10, 1000], 0, Fold.none)).to.deep.equal([0, 1020]);
    expect(boundsOf(undefined, 0, Fold.none)).to.deep.equal([0, 262]);
    expect(boundsOf([10, 1000], 5000, Fold.none)).to.deep.equal([0, 5100]);
    expect(boundsOf([10, 1000], ALL_PAGES, Fold.none)).to.deep.equal([0, ALL_PAGES]);
  });
});
