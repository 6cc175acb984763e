import { expect } from 'chai';
import type { Region } from '../../../streams/index.js';
import type { RecordingTarget } from '../../../testing/index.js';
import { describeWithVaBatches } from '../../support/va-batches.js';
import { addRegion, mapping, privateMapping, range, rejectionOf, texts, viewOf } from '../support/phrases.js';
import { Stage } from '../support/stage.js';

/** The contents of private memory are lost when its address is released. */
describeWithVaBatches('RegionManager: the contents of private memory', (batches) => {
  let stage: Stage;
  let region: Region;

  beforeEach(async () => {
    stage = new Stage({ batches });
    region = await addRegion(stage.manager, 0x0, 0x10000);
  });

  afterEach(() => {
    stage.expectContractsKept();
  });

  for (const needsVa of [true, false]) {
    describe(`stuck at a detached target that ${needsVa ? 'needs' : 'does not need'} addresses`, () => {
      let former: RecordingTarget;
      let live: RecordingTarget;

      beforeEach(async () => {
        await region.addMapping(privateMapping(0x0, 0x2000));
        former = await stage.leaveStuck('former', needsVa);
        live = stage.target({ name: 'live', needsVa: true });
        await stage.manager.attach(live);
        former.clearFailures();
        stage.takeJournal();
      });

      it('are kept by a command that would replace it and is refused, and no target is called', async () => {
        const error = await rejectionOf(
          stage.manager.transaction((edit) => {
            edit.removeMappings(region, range(0x0, 0x2000));
            edit.addMapping(region, privateMapping(0x0, 0x1000));
          }),
        );
        expect(error).to.include({ code: 'ERR_PRIVATE_MEMORY' });
        expect(stage.journal).to.deep.equal([]);
        expect(viewOf(stage.manager)).to.deep.equal(['0x0-0x2000 rw']);
        await region.unmap();
        await region.map({ writable: true });
        expect(stage.va.calls.filter((call) => call.startsWith('release'))).to.deep.equal([]);
      });

      it('are kept by a command that removes it with its region and fails', async () => {
        const other = await addRegion(stage.manager, 0x10000, 0x20000);
        live.failAll('map 0x10000');
        const error = await rejectionOf(
          stage.manager.transaction((edit) => {
            edit.removeRegion(region);
            edit.addMapping(other, mapping(0x0, 0x1000));
          }),
        );
        expect(error).to.include({ name: 'DmaMapError' });
        expect(viewOf(stage.manager)).to.deep.equal(['0x0-0x2000 rw']);
        expect(texts(live.held())).to.deep.equal(['0x0-0x2000']);
        expect(stage.journal).not.to.include('va: release 0x0-0x2000');
      });
    });
  }

  describe('under a larger stuck range at a detached target that needs no address', () => {
    let former: RecordingTarget;
    let live: RecordingTarget;

    beforeEach(async () => {
      await region.addMapping(mapping(0x0, 0x4000));
      former = await stage.leaveStuck('former', false);
      await region.removeMappings(range(0x0, 0x4000));
      live = stage.target({ name: 'live', needsVa: true });
      await stage.manager.attach(live);
    });

    it('are kept by a command that removes it, unmaps what is stuck, and fails', async () => {
      await region.addMapping(privateMapping(0x0, 0x2000));
      former.clearFailures();
      live.failAll('map 0x2000');
      stage.takeJournal();
      const error = await rejectionOf(
        stage.manager.transaction((edit) => {
          edit.removeMappings(region, range(0x0, 0x2000));
          edit.addMapping(region, mapping(0x2000, 0x4000));
        }),
      );
      expect(error).to.include({ name: 'DmaMapError' });
      expect(stage.journal).to.include('former: unmap 0x0-0x4000').and.not.to.include('va: release 0x0-0x2000');
      expect(texts(live.held())).to.deep.equal(['0x0-0x2000']);
    });

    it('are not released by the command that makes it and fails to unmap what is stuck', async () => {
      stage.takeJournal();
      await region.addMapping(privateMapping(0x0, 0x2000));
      expect(stage.journal).to.include('former: unmap 0x0-0x4000 -> EIO').and.not.to.include('va: release 0x0-0x2000');
      expect(texts(live.held())).to.deep.equal(['0x0-0x2000']);
    });
  });

  for (const [end, rest] of [
    [0x2000, 'of the same range'],
    [0x1000, 'of a part of it'],
  ] as const) {
    it(`removed while stuck can be used, once that is unmapped, for new memory ${rest}`, async () => {
      const target = stage.target({ needsVa: true });
      await stage.manager.attach(target);
      await region.addMapping(privateMapping(0x0, 0x2000));
      target.failAll('unmap');
      await rejectionOf(region.removeMappings(range(0x0, 0x2000)));
      expect(await rejectionOf(region.addMapping(privateMapping(0x0, end)))).to.include({ code: 'ERR_RANGE_STUCK' });
      target.clearFailures();
      stage.takeJournal();
      await region.addMapping(privateMapping(0x0, end));
      const now = range(0x0, end).toString();
      expect(stage.journal).to.deep.equal([
        'T: unmap 0x0-0x2000',
        'va: release 0x0-0x2000',
        `va: ensure ${now}`,
        `T: map ${now} rw`,
      ]);
    });
  }
});
