import { expect } from 'chai';
import { filter, map, type Observable } from 'rxjs';
import { fanOut, filterMaps, toTarget, type Outcome, type Region } from '../../../streams/index.js';
import type { RecordingTarget } from '../../../testing/index.js';
import { addRegion, mapping, range, rejectionOf } from '../support/phrases.js';
import { Stage } from '../support/stage.js';

/** The counts of an outcome: `'2 applied: 3 maps, 0 unmaps, 0x3000'`. */
function countsOf({ generation, status, maps, unmaps, bytes }: Outcome): string {
  return `${generation} ${status}: ${maps} maps, ${unmaps} unmaps, ${bytes === undefined ? 'nothing' : `0x${bytes.toString(16)}`}`;
}

describe('the counts of an outcome', () => {
  let stage: Stage;
  let target: RecordingTarget;
  let region: Region;
  let outcomes: Outcome[];

  const observe = ({ outcomes$ }: { readonly outcomes$: Observable<Outcome> }): void => {
    outcomes$.subscribe((outcome) => outcomes.push(outcome));
  };

  const addTwo = (): Promise<void> =>
    stage.manager.transaction((edit) => {
      edit.addMapping(region, mapping(0x0, 0x1000));
      edit.addMapping(region, mapping(0x4000, 0x6000));
    });

  beforeEach(async () => {
    stage = new Stage();
    target = stage.target();
    outcomes = [];
    region = await addRegion(stage.manager, 0x0, 0x10000, {});
  });

  afterEach(async () => {
    await stage.manager.close();
  });

  for (const reply of ['sync', 'async'] as const) {
    it(`are those of the changes of each step, and the time (${reply})`, async () => {
      observe(await stage.manager.attach(stage.target({ reply, batches: true })));
      await addTwo();
      await region.unmap();
      expect(outcomes.map(countsOf)).to.deep.equal([
        '1 applied: 2 maps, 0 unmaps, 0x3000',
        '2 applied: 0 maps, 2 unmaps, 0x3000',
      ]);
      expect(outcomes.every(({ milliseconds }) => milliseconds !== undefined && milliseconds >= 0)).to.equal(true);
    });
  }

  it('leave out what was undone, and count what the undo has removed', async () => {
    observe(await stage.manager.attach(target));
    observe(await stage.manager.attach(stage.target({ name: 'failing' }).failRange('0x4000-0x6000', 'ENOSPC')));
    await rejectionOf(addTwo());
    expect(outcomes.map(countsOf)).to.deep.equal([
      '1 applied: 2 maps, 0 unmaps, 0x3000',
      '1 failed: 0 maps, 0 unmaps, 0x0',
      '1 applied: 0 maps, 2 unmaps, 0x3000',
    ]);
  });

  it('leave out what is stuck, skipped, or not restored', async () => {
    const device = await addRegion(stage.manager, 0x20000, 0x30000, { name: 'bar', type: 'device' });
    observe(await stage.manager.attach(target.failRange('0x20000-0x21000')));
    await stage.manager.transaction((edit) => {
      edit.addMapping(region, mapping(0x0, 0x1000));
      edit.addMapping(region, mapping(0x2000, 0x4000));
      edit.addMapping(device, mapping(0x0, 0x1000));
    });
    target.failRange('0x0-0x1000');
    await rejectionOf(region.unmap());
    expect(outcomes.map(countsOf)).to.deep.equal([
      '1 applied: 2 maps, 0 unmaps, 0x3000',
      '2 failed: 0 maps, 0 unmaps, 0x0',
    ]);
    target.clearFailures();
  });

  it('are those of what reaches the targets, added up for several of them', async () => {
    const branch = fanOut(toTarget(target), (changes$) =>
      changes$.pipe(
        filterMaps((change) => change.range.start > 0n),
        toTarget(stage.target({ name: 'other' })),
      ),
    );
    observe(await stage.manager.attach(branch));
    await addTwo();
    await region.unmap();
    expect(outcomes.map(countsOf)).to.deep.equal([
      '1 applied: 3 maps, 0 unmaps, 0x5000',
      '2 applied: 0 maps, 3 unmaps, 0x5000',
    ]);
  });

  it('are those of the set where the target is not known', async () => {
    const attachment = await stage.manager.attach((changes$) =>
      changes$.pipe(
        filter(() => true),
        map(({ generation }) => ({ generation, target: 'mine', status: 'applied', skipped: [] })),
      ),
    );
    observe(attachment);
    await addTwo();
    expect(outcomes.map(countsOf)).to.deep.equal(['1 applied: 2 maps, 0 unmaps, 0x3000']);
  });

  it('are written as JSON', async () => {
    observe(await stage.manager.attach(target));
    await addTwo();
    const json = JSON.parse(JSON.stringify(outcomes)) as readonly Record<string, unknown>[];
    expect(json[0]).to.deep.include({ generation: 1, target: 'T', status: 'applied', maps: 2, bytes: '0x3000' });
  });

  it('cost nothing while nobody observes: no clock is read', async () => {
    await stage.manager.attach(target);
    const original = performance.now.bind(performance);
    const reads = { before: 0, observed: 0 };
    let key: keyof typeof reads = 'before';
    performance.now = () => {
      reads[key] += 1;
      return original();
    };
    try {
      await addTwo();
      await region.removeMappings(range(0x0, 0x10000));
      const attachment = stage.manager.attachments[0];
      key = 'observed';
      attachment?.outcomes$.subscribe();
      await addTwo();
      await region.removeMappings(range(0x0, 0x10000));
    } finally {
      performance.now = original;
    }
    expect(reads.observed - reads.before).to.equal(4);
  });
});
