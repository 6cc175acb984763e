import { expect } from 'chai';
import { DmaMapError, DmaUnmapError, MemoryRange, RegionManager, type BatchStop } from '../../../streams/index.js';
import { addRegion, ledgerOf, mapping, nextTurn, range, rejectionOf, texts } from '../support/phrases.js';
import { Stage } from '../support/stage.js';

async function mapFailureOf(promise: Promise<unknown>): Promise<DmaMapError> {
  const error: unknown = await rejectionOf(promise);
  if (error instanceof DmaMapError) {
    return error;
  }
  throw new Error('it was rejected with something else than a DmaMapError', { cause: error });
}

describe('a target that takes batches', () => {
  it('gets the maps of a replay in one call, and the unmaps of a detach', async () => {
    const stage = new Stage();
    await addRegion(stage.manager, 0x0, 0x10000, {
      mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000), mapping(0x4000, 0x5000)],
    });
    const target = stage.target({ batches: true });
    const attachment = await stage.manager.attach(target);
    expect(target.batchSizes).to.deep.equal([3]);
    expect(target.takeCalls()).to.deep.equal(['map 0x0-0x1000 rw', 'map 0x2000-0x3000 rw', 'map 0x4000-0x5000 rw']);
    await attachment.detach();
    expect(target.batchSizes).to.deep.equal([3, 3]);
    expect(target.takeCalls()).to.deep.equal(['unmap 0x0-0x1000', 'unmap 0x2000-0x3000', 'unmap 0x4000-0x5000']);
    stage.expectContractsKept();
  });

  it('gets a single map, and a single unmap, by a call of its own', async () => {
    const stage = new Stage();
    const target = stage.target({ batches: true });
    await stage.manager.attach(target);
    const region = await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
    await region.removeMappings(range(0x0, 0x1000));
    expect(target.calls).to.deep.equal(['map 0x0-0x1000 rw', 'unmap 0x0-0x1000']);
    expect(target.batchSizes).to.deep.equal([]);
  });

  for (const failing of [0, 1, 2]) {
    it(`has the maps before map ${failing} of three undone, newest first, when that one fails`, async () => {
      const stage = new Stage();
      const target = stage.target({ batches: true });
      const attachment = await stage.manager.attach(target);
      target.failCall(failing, 'ENOSPC');
      const all = [mapping(0x0, 0x1000), mapping(0x2000, 0x3000), mapping(0x4000, 0x5000)];
      const region = await addRegion(stage.manager, 0x0, 0x10000, { shown: 'hidden', mappings: all });
      const error = await mapFailureOf(region.map({ writable: true }));
      expect(error).to.include({ code: 'ENOSPC', target: 'T' });
      const made = all.slice(0, failing).map(({ rangeInRegion }) => rangeInRegion.toString());
      expect(error.undone.map((at) => at.range.toString())).to.deep.equal(made.toReversed());
      expect(error.range?.toString()).to.equal(all[failing]?.rangeInRegion.toString());
      expect(target.takeCalls().slice(failing + 1)).to.deep.equal(made.toReversed().map((one) => `unmap ${one}`));
      expect(attachment.ledger()).to.deep.equal([]);
      target.clearFailures();
      await region.map({ writable: true });
      expect(target.takeCalls()).to.have.length(3);
      stage.expectContractsKept();
    });
  }

  it('continues after a device map that fails, without repeating earlier ones', async () => {
    const stage = new Stage();
    await addRegion(stage.manager, 0x0, 0x10000, {
      mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000)],
    });
    await addRegion(stage.manager, 0x10000, 0x20000, { type: 'device', mappings: [mapping(0x0, 0x1000)] });
    await addRegion(stage.manager, 0x20000, 0x30000, { mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000)] });
    const target = stage.target({ batches: true }).failAll('map 0x10000-0x11000');
    const attachment = await stage.manager.attach(target);
    expect(target.batchSizes).to.deep.equal([5, 2]);
    expect(target.calls.filter((call) => !call.includes('->'))).to.have.length(4);
    expect(texts(attachment.ledger().map((entry) => entry.range))).to.deep.equal([
      '0x0-0x1000',
      '0x2000-0x3000',
      '0x20000-0x21000',
      '0x22000-0x23000',
    ]);
    expect(stage.warnings.map(({ region }) => region)).to.have.length(1);
    stage.expectContractsKept();
  });

  it('has only the failed unmap stuck, and unmaps the rest', async () => {
    const stage = new Stage();
    const target = stage.target({ batches: true, unmapShape: 'exact' });
    const attachment = await stage.manager.attach(target);
    const region = await addRegion(stage.manager, 0x0, 0x10000, {
      mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000), mapping(0x4000, 0x5000)],
    });
    target.failAll('unmap 0x2000-0x3000');
    expect(await rejectionOf(region.removeMappings(range(0x0, 0x10000)))).to.be.instanceOf(DmaUnmapError);
    expect(ledgerOf(attachment)).to.deep.equal(['0x2000-0x3000 rw stuck']);
    expect(texts(target.held())).to.deep.equal(['0x2000-0x3000']);
    target.clearFailures();
    await attachment.retryStuck();
    expect(target.held()).to.deep.equal([]);
  });

  it('gets no more than 4,096 rows and 256 MiB at a time', async () => {
    const manager = new RegionManager();
    await addRegion(manager, 0x0, 0x1_0000_0000, {
      mappings: [
        mapping(0x0, 0xf00_0000),
        mapping(0xf00_0000, 0x1000_0000),
        mapping(0x1000_0000, 0x4000_0000),
        ...Array.from({ length: 5_000 }, (_, index) =>
          mapping(0x8000_0000 + index * 0x2000, 0x8000_1000 + index * 0x2000),
        ),
      ],
    });
    const batches: number[] = [];
    const count = (items: readonly unknown[]): undefined => {
      batches.push(items.length);
    };
    const attachment = await manager.attach({
      name: 'T',
      mapDma: () => count([0]),
      unmapDma: () => count([0]),
      mapDmaBatch: count,
      unmapDmaBatch: count,
    });
    expect(batches).to.deep.equal([2, 1, 4_096, 904]);
    batches.length = 0;
    await attachment.detach();
    expect(batches).to.deep.equal([2, 1, 4_096, 904]);
    batches.length = 0;
    const quick = await manager.attach({
      ...{ name: 'Q', slowForLargeMaps: false, mapDma: () => count([0]), unmapDma: () => count([0]) },
      ...{ mapDmaBatch: count, unmapDmaBatch: count },
    });
    await quick.detach();
    expect(batches).to.deep.equal([4_096, 907, 4_096, 907]);
  });

  for (const [what, answer] of [
    ['more than there was', { done: 3, error: new Error('no') }],
    ['a negative number', { done: -1, error: new Error('no') }],
    ['no number', { error: new Error('no') }],
    ['half a map', { done: 0.5, error: new Error('no') }],
  ] as const) {
    it(`has failed when it returns that it did ${what}`, async () => {
      const manager = new RegionManager();
      await addRegion(manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000)] });
      const error = await mapFailureOf(
        manager.attach({
          name: 'T',
          mapDma: () => undefined,
          unmapDma: () => undefined,
          mapDmaBatch: () => answer as BatchStop,
        }),
      );
      expect(error).to.include({ code: 'ERR_TARGET_FAILED', target: 'T' });
      expect(error.hint).to.match(/how many did/);
    });
  }
});

describe('targets that may be served concurrently', () => {
  /** Lets the calls that are waiting go on. */
  function lock(): { readonly reply: () => Promise<void>; open(): void } {
    const waiting: (() => void)[] = [];
    return {
      reply: () => new Promise((resolve) => waiting.push(resolve)),
      open: () => {
        waiting.splice(0).forEach((resolve) => {
          resolve();
        });
      },
    };
  }

  async function attached(concurrent: readonly boolean[]) {
    const stage = new Stage();
    const gates = concurrent.map(() => lock());
    for (const [index, one] of concurrent.entries()) {
      await stage.manager.attach(
        stage.target({ name: `t${index}`, concurrent: one, reply: (gates[index] as ReturnType<typeof lock>).reply }),
      );
    }
    const region = await addRegion(stage.manager, 0x0, 0x10000, { mappings: [] });
    return { stage, region, open: (index: number) => gates[index]?.open() };
  }

  it('start in attach order, and run at the same time', async () => {
    const { stage, region, open } = await attached([true, true, false]);
    let done = false;
    const adding = region.addMapping(mapping(0x0, 0x1000)).then(() => (done = true));
    await nextTurn();
    expect(stage.takeJournal()).to.deep.equal(['t0: map 0x0-0x1000 rw', 't1: map 0x0-0x1000 rw']);
    open(1);
    await nextTurn();
    expect(stage.takeJournal()).to.deep.equal([]);
    open(0);
    await nextTurn();
    expect(stage.takeJournal()).to.deep.equal(['t2: map 0x0-0x1000 rw']);
    expect(done).to.equal(false);
    open(2);
    await adding;

    const removing = region.removeMappings(range(0x0, 0x1000));
    await nextTurn();
    expect(stage.takeJournal()).to.deep.equal(['t2: unmap 0x0-0x1000']);
    open(2);
    await nextTurn();
    expect(stage.takeJournal()).to.deep.equal(['t1: unmap 0x0-0x1000', 't0: unmap 0x0-0x1000']);
    open(0);
    open(1);
    await removing;
    stage.expectContractsKept();
  });

  it('start no map before every unmap at all of them has been acknowledged', async () => {
    const { stage, region, open } = await attached([true, true]);
    const adding = region.addMapping(mapping(0x0, 0x1000));
    await nextTurn();
    open(0);
    open(1);
    await adding;
    stage.takeJournal();
    const moving = stage.manager.transaction((edit) => {
      edit.removeMappings(region, range(0x0, 0x1000));
      edit.addMapping(region, mapping(0x0, 0x1000, { fileOffset: 0x8000n }));
    });
    await nextTurn();
    open(1);
    await nextTurn();
    expect(stage.takeJournal()).to.deep.equal(['t1: unmap 0x0-0x1000', 't0: unmap 0x0-0x1000']);
    open(0);
    await nextTurn();
    expect(stage.takeJournal()).to.deep.equal(['t0: map 0x0-0x1000 rw', 't1: map 0x0-0x1000 rw']);
    open(0);
    open(1);
    await moving;
  });

  it('are undone, newest first, when one of them fails, also those after it', async () => {
    const { stage, region, open } = await attached([true, true, true]);
    stage.targets[1]?.failAll('map');
    const failing = mapFailureOf(region.addMapping(mapping(0x0, 0x1000)));
    await nextTurn();
    open(0);
    open(1);
    open(2);
    for (let turn = 0; turn < 5; turn++) {
      await nextTurn();
      open(0);
      open(2);
    }
    expect(await failing)
      .to.be.instanceOf(DmaMapError)
      .and.include({ target: 't1' });
    expect(stage.takeJournal().slice(3)).to.deep.equal(['t2: unmap 0x0-0x1000', 't0: unmap 0x0-0x1000']);
    expect(stage.targets.map((target) => target.held())).to.deep.equal([[], [], []]);
    stage.expectContractsKept();
  });
});

describe('a long set of short calls', () => {
  it('yields to the event loop', async () => {
    const manager = new RegionManager();
    const mappings = Array.from({ length: 2_000 }, (_, index) => mapping(index * 0x2000, index * 0x2000 + 0x1000));
    await addRegion(manager, 0x0, 0x100_0000, { mappings });
    let turns = 0;
    const timer = setInterval(() => (turns += 1));
    const busy = (): void => {
      const end = performance.now() + 0.02;
      while (performance.now() < end);
    };
    const attachment = await manager.attach({ name: 'slow', mapDma: busy, unmapDma: busy });
    const whileMapping = turns;
    await attachment.detach();
    clearInterval(timer);
    expect(whileMapping).to.be.greaterThan(0);
    expect(turns).to.be.greaterThan(whileMapping);
    expect(attachment.ledger()).to.deep.equal([]);
  });

  it('is served within the call when it is not long', async () => {
    const manager = new RegionManager();
    await addRegion(manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000)] });
    const seen: string[] = [];
    const attaching = manager.attach({
      name: 'T',
      mapDma: ({ range: at }) => void seen.push(at.toString()),
      unmapDma: () => undefined,
    });
    expect(seen).to.deep.equal(['0x0-0x1000', '0x2000-0x3000']);
    await attaching;
    expect(manager.snapshot().mappings.map(({ range: at }) => at)).to.deep.equal([
      MemoryRange.of(0x0, 0x1000),
      MemoryRange.of(0x2000, 0x3000),
    ]);
  });
});
