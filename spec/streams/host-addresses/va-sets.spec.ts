import { expect } from 'chai';
import {
  RegionManager,
  type DmaError,
  type HostVa,
  type MapChange,
  type MemoryRange,
  type Region,
  type VaMapper,
} from '../../../streams/index.js';
import { RecordingTarget } from '../../../testing/index.js';
import { addRegion, mapping, privateMapping, range, rejectionOf, texts, viewOf } from '../support/phrases.js';
import { Stage } from '../support/stage.js';

/** Mappings of a page each, with a gap of a page after each. */
function pages(count: number) {
  return Array.from({ length: count }, (_, index) => mapping(index * 0x2000, index * 0x2000 + 0x1000));
}

async function addAll(manager: RegionManager, region: Region, mappings: ReturnType<typeof pages>): Promise<void> {
  await manager.transaction((edit) => {
    for (const one of mappings) {
      edit.addMapping(region, one);
    }
  });
}

/** Takes all that the region has, in one command. */
function removeAll(region: Region): Promise<void> {
  return region.removeMappings(range(0x0, 0x10000));
}

describe('RegionManager: host virtual addresses in batches', () => {
  it('are made with one call, and released with one; a single one is made by ensureMapped', async () => {
    const stage = new Stage({ batches: 'sync' });
    await stage.manager.attach(stage.target({ needsVa: true }));
    const region = await addRegion(stage.manager, 0x0, 0x10000);
    await addAll(stage.manager, region, pages(3));
    await region.addMapping(mapping(0x8000, 0x9000));
    await removeAll(region);
    expect(stage.va.batches).to.deep.equal(['ensure 3', 'release 4']);
    stage.expectContractsKept();
  });

  it('are requested only for mappings that have none', async () => {
    const stage = new Stage({ batches: 'sync' });
    const region = await addRegion(stage.manager, 0x0, 0x10000, { mappings: pages(4) });
    for (const name of ['a', 'b']) {
      await stage.manager.attach(stage.target({ name, needsVa: true }));
    }
    await addAll(stage.manager, region, [mapping(0x9000, 0xa000), mapping(0xb000, 0xc000)]);
    expect(stage.va.batches).to.deep.equal(['ensure 4', 'ensure 2']);
    stage.expectContractsKept();
  });

  it('of which one fails refuse that map alone, and are released when the command is undone', async () => {
    const stage = new Stage({ batches: 'sync' });
    const target = stage.target({ needsVa: true });
    await stage.manager.attach(target);
    const region = await addRegion(stage.manager, 0x0, 0x10000);
    stage.va.failAll('ensure 0x2000', 'ENOMEM');
    const error = await rejectionOf(addAll(stage.manager, region, pages(3)));
    expect(error).to.include({ code: 'ENOMEM', region: 'ram' });
    expect(target.calls).to.deep.equal(['map 0x0-0x1000 rw', 'unmap 0x0-0x1000']);
    expect(stage.va.calls).to.deep.equal([
      'ensure 0x0-0x1000',
      'ensure 0x2000-0x3000 -> ENOMEM',
      'ensure 0x4000-0x5000',
      'release 0x0-0x1000',
      'release 0x4000-0x5000',
    ]);
    expect(viewOf(stage.manager)).to.deep.equal([]);
    stage.va.clearFailures();
    await addAll(stage.manager, region, pages(3));
    stage.expectContractsKept();
  });

  for (const [what, answer] of [
    ['nothing', undefined],
    ['no array', { length: 2 }],
    ['too few', [{ address: 1n }]],
    ['something else', [{ address: 1n }, { address: 5 }]],
    ['null', [{ address: 1n }, null]],
  ] as const) {
    it(`of a mapper that returns ${what} fail the command`, async () => {
      const mapper = { ...simpleMapper(), ensureMappedBatch: () => answer } as unknown as VaMapper;
      const manager = new RegionManager({ vaMapper: mapper });
      await manager.attach(new RecordingTarget({ needsVa: true }));
      const region = await addRegion(manager, 0x0, 0x10000);
      expect(await rejectionOf(addAll(manager, region, pages(2)))).to.include({ code: 'ERR_VA_MAPPER' });
      expect(viewOf(manager)).to.deep.equal([]);
    });
  }

  it('of a mapper that throws, or returns an error other than a DmaError, fail the command with its code', async () => {
    for (const ensureMappedBatch of [
      () => {
        throw Object.assign(new Error('no more'), { code: 'ENOMEM' });
      },
      (changes: readonly MapChange[]) => changes.map(() => Object.assign(new Error('no more'), { code: 'ENOMEM' })),
    ]) {
      const released: string[] = [];
      const mapper = { ...simpleMapper(released), ensureMappedBatch };
      const manager = new RegionManager({ vaMapper: mapper });
      await manager.attach(new RecordingTarget({ needsVa: true }));
      const region = await addRegion(manager, 0x0, 0x10000);
      const error = await rejectionOf(addAll(manager, region, pages(2)));
      expect(error).to.include({ code: 'ENOMEM' });
      expect(error.message).to.contain('no more');
      expect(released, 'nothing was made').to.deep.equal([]);
    }
  });

  describe('that fail to be released', () => {
    async function warningsOf(releaseBatch: unknown): Promise<string[]> {
      const warnings: string[] = [];
      const vaMapper = { ...simpleMapper(), releaseBatch } as unknown as VaMapper;
      const onWarning = (error: DmaError): unknown => warnings.push(`${error.code} ${error.range?.toString()}`);
      const manager = new RegionManager({ vaMapper, onWarning });
      await manager.attach(new RecordingTarget({ needsVa: true }));
      const region = await addRegion(manager, 0x0, 0x10000);
      await addAll(manager, region, pages(2));
      await removeAll(region);
      expect(viewOf(manager)).to.deep.equal([]);
      await addAll(manager, region, pages(2)); // They count as gone.
      return warnings;
    }

    const all = ['ERR_VA_RELEASE 0x0-0x1000', 'ERR_VA_RELEASE 0x2000-0x3000'];
    const some = (ranges: readonly MemoryRange[]) => [{ range: ranges[1], error: new Error('oops') }];

    for (const [what, releaseBatch, expected] of [
      ['one by one', some, [all[1]]],
      ['later', (ranges: readonly MemoryRange[]) => Promise.resolve(some(ranges)), [all[1]]],
      ['by a throw', () => throwing(), all],
      ['by a rejection', () => Promise.reject(new Error('oops')), all],
      ['in a way that says nothing', () => [undefined, null], ['ERR_VA_RELEASE undefined', 'ERR_VA_RELEASE undefined']],
      ['not at all', () => 'done', []],
    ] as const) {
      it(`${what} cause a warning each, and no failure`, async () => {
        expect(await warningsOf(releaseBatch)).to.deep.equal(expected);
      });
    }
  });

  describe('that are released asynchronously', () => {
    /** A mapper whose releases wait until told. */
    function slowMapper() {
      const journal: string[] = [];
      let finish = (): void => undefined;
      const mapper: VaMapper = {
        ensureMapped: ({ range: at }) => {
          journal.push(`ensure ${at.toString()}`);
          return { address: at.start };
        },
        release: (at) => journal.push(`release ${at.toString()} at once`),
        releaseBatch: (ranges) => {
          journal.push(`release ${texts(ranges).join(' ')}`);
          return new Promise((resolve) => {
            finish = () => {
              journal.push('released');
              resolve(undefined);
            };
          });
        },
      };
      return { mapper, journal, finish: () => finish() };
    }

    async function settles(promise: Promise<unknown>): Promise<boolean> {
      let done = false;
      void promise.finally(() => (done = true));
      await new Promise((resolve) => setImmediate(resolve));
      return done;
    }

    it('delay the command and the queue; nothing is mapped there meanwhile', async () => {
      const { mapper, journal, finish } = slowMapper();
      const manager = new RegionManager({ vaMapper: mapper });
      const target = new RecordingTarget({ needsVa: true });
      await manager.attach(target);
      const region = await addRegion(manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x2000)] });
      const change = manager.transaction((edit) => {
        edit.removeMappings(region, range(0x0, 0x2000));
        edit.addMapping(region, mapping(0x1000, 0x3000));
      });
      const next = region.addMapping(mapping(0x8000, 0x9000));
      expect(await settles(change)).to.equal(false);
      expect(target.calls).to.deep.equal(['map 0x0-0x2000 rw', 'unmap 0x0-0x2000']);
      finish();
      await Promise.all([change, next]);
      expect(journal).to.deep.equal([
        'ensure 0x0-0x2000',
        'release 0x0-0x2000',
        'released',
        'ensure 0x1000-0x3000',
        'ensure 0x8000-0x9000',
      ]);
    });

    it('delay an undo before it maps anything again', async () => {
      const { mapper, journal, finish } = slowMapper();
      const manager = new RegionManager({ vaMapper: mapper });
      const target = new RecordingTarget({ needsVa: true });
      await manager.attach(target);
      const region = await addRegion(manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x2000)] });
      target.failAll('map 0x1000');
      const change = rejectionOf(
        manager.transaction((edit) => {
          edit.removeMappings(region, range(0x0, 0x2000));
          edit.addMapping(region, mapping(0x1000, 0x3000));
        }),
      );
      expect(await settles(change)).to.equal(false);
      finish(); // of what was to go
      expect(await settles(change)).to.equal(false);
      expect(journal.at(-1)).to.equal('release 0x1000-0x3000');
      finish(); // of what was undone
      await change;
      expect(journal.slice(-2)).to.deep.equal(['released', 'ensure 0x0-0x2000']);
      expect(texts(target.held())).to.deep.equal(['0x0-0x2000']);
    });

    it('delay the removal of private memory, also without a target, and close()', async () => {
      const { mapper, journal, finish } = slowMapper();
      const manager = new RegionManager({ vaMapper: mapper });
      const seen: number[] = [];
      manager.changes().subscribe(({ generation }) => seen.push(generation));
      const region = await addRegion(manager, 0x0, 0x10000, {
        mappings: [privateMapping(0x0, 0x1000), privateMapping(0x2000, 0x3000)],
      });
      const removed = region.removeMappings(range(0x0, 0x1000));
      expect(await settles(removed)).to.equal(false);
      finish();
      await removed;
      expect(seen.at(-1)).to.equal(manager.snapshot().generation);
      const closed = manager.close();
      expect(await settles(closed)).to.equal(false);
      finish();
      await closed;
      expect(journal.slice(-4)).to.deep.equal(['release 0x0-0x1000', 'released', 'release 0x2000-0x3000', 'released']);
    });

    it('delay a detach that unmaps what is stuck, a retryStuck(), and an attach that failed', async () => {
      const { mapper, journal, finish } = slowMapper();
      const manager = new RegionManager({ vaMapper: mapper });
      const target = new RecordingTarget({ needsVa: true });
      const attachment = await manager.attach(target);
      const region = await addRegion(manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
      target.failAll('unmap');
      await rejectionOf(region.removeMappings(range(0x0, 0x1000)));
      target.clearFailures();
      const retried = attachment.retryStuck();
      expect(await settles(retried)).to.equal(false);
      finish();
      await retried;
      await attachment.detach();
      await region.addMapping(mapping(0x4000, 0x5000));
      const broken = new RecordingTarget({ name: 'broken', needsVa: true });
      broken.failAll('map');
      const attached = rejectionOf(manager.attach(broken));
      expect(await settles(attached)).to.equal(false);
      finish();
      await attached;
      expect(journal.slice(-3)).to.deep.equal(['ensure 0x4000-0x5000', 'release 0x4000-0x5000', 'released']);
    });
  });

  it('of a long set are made and released in slices, each once and in order', async () => {
    const count = 5_000;
    const made: string[][] = [];
    const released: string[][] = [];
    const vaMapper: VaMapper = {
      ...simpleMapper(),
      ensureMappedBatch: (changes) => {
        made.push(texts(changes.map((change) => change.range)));
        return changes.map((change) => ({ address: change.range.start }));
      },
      releaseBatch: (ranges) => {
        released.push(texts(ranges));
        return undefined;
      },
    };
    const manager = new RegionManager({ vaMapper });
    const target = new RecordingTarget({ needsVa: true });
    await manager.attach(target);
    const region = await addRegion(manager, 0x0, count * 0x2000);
    await addAll(manager, region, pages(count));
    const all = texts(manager.snapshot().mappings.map((one) => one.range));
    expect(all).to.have.length(count);
    expect(made.flat()).to.deep.equal(all);
    expect(Math.max(...made.map(({ length }) => length))).to.be.at.most(128);
    expect(target.requests.every(({ hostVa, range: at }) => hostVa?.address === at.start)).to.equal(true);

    await region.unmap();
    expect(released.flat()).to.deep.equal(all);
    expect(Math.max(...released.map(({ length }) => length))).to.be.at.most(1_024);
  });

  it('cannot come from a mapper whose methods are not functions', () => {
    for (const method of ['ensureMappedBatch', 'releaseBatch']) {
      const vaMapper = { ...simpleMapper(), [method]: 5 };
      expect(() => new RegionManager({ vaMapper })).to.throw(TypeError, method);
    }
  });
});

function throwing(): never {
  throw new Error('oops');
}

function simpleMapper(released: string[] = []): VaMapper {
  return {
    ensureMapped: ({ range: at }): HostVa => ({ address: at.start }),
    release: (at) => released.push(at.toString()),
  };
}
