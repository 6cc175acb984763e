import { expect } from 'chai';
import { defer, delay, map, of, switchMap } from 'rxjs';
import {
  DmaMapError,
  ensureMapped,
  fanOut,
  MemoryRange,
  RegionManager,
  toTarget,
  type Backing,
  type DmaError,
  type MappingParams,
  type Region,
} from '../../../streams/index.js';
import { FakeMappable, FakeVaMapper, RecordingTarget } from '../../../testing/index.js';

const range = (start: number, end: number): MemoryRange => MemoryRange.of(start, end);

async function errorOf(promise: Promise<unknown>): Promise<DmaError & Partial<DmaMapError>> {
  try {
    await promise;
  } catch (error) {
    return error as DmaError;
  }
  throw new Error('it did not fail');
}

describe('RegionManager: combinations of failures', () => {
  let va: FakeVaMapper;
  let manager: RegionManager;
  let region: Region;
  const file: Backing = { mappable: new FakeMappable(), fileOffset: 0n };
  const params = (start: number, end: number, backing: Backing = file): MappingParams => ({
    rangeInRegion: range(start, end),
    backing,
    writable: true,
  });

  beforeEach(async () => {
    va = new FakeVaMapper();
    manager = new RegionManager({ vaMapper: va });
    region = await manager.addRegion({ name: 'ram', range: range(0, 0x10000), type: 'ram' });
    await region.map({ writable: true });
  });

  it('keep private memory and its contents when the command that removes it is undone', async () => {
    const target = new RecordingTarget({ needsVa: true });
    await manager.attach(target);
    await region.addMapping(params(0, 0x1000, 'private'));
    va.takeCalls();
    target.failAll('map 0x2000');
    await errorOf(
      manager.transaction((edit) => {
        edit.removeMappings(region, range(0, 0x1000));
        edit.addMapping(region, params(0x2000, 0x3000));
      }),
    );
    expect(va.takeCalls().filter((call) => call.includes('0x0-0x1000') && call.startsWith('release'))).to.deep.equal(
      [],
    );
    expect(target.held().map(String)).to.deep.equal(['0x0-0x1000']);
    expect(va.violations).to.deep.equal([]);
  });

  it('keep the VA of a file mapping while private memory is added and removed at its addresses in one transaction', async () => {
    await manager.attach(new RecordingTarget({ needsVa: true }));
    await region.addMapping(params(0, 0x1000));
    const covered = await manager.addRegion({ name: 'below', range: range(0, 0x10000), priority: -1, type: 'ram' });
    await manager.transaction((edit) => {
      edit.addMapping(covered, params(0, 0x1000, 'private'));
      edit.removeMappings(covered, range(0, 0x1000));
    });
    expect(va.held().map(String)).to.deep.equal(['0x0-0x1000']);
  });

  it('lead to the unmap of what a branch had mapped before it ended', async () => {
    const target = new RecordingTarget({ needsVa: true });
    await manager.attach((changes$) =>
      changes$.pipe(
        ensureMapped(va),
        toTarget(target),
        map((outcome, index) => {
          if (index > 0) {
            throw new Error('an operator with a bug');
          }
          return outcome;
        }),
      ),
    );
    await errorOf(region.addMapping(params(0, 0x1000)));
    expect(target.held()).to.deep.equal([]);
    expect(va.held()).to.deep.equal([]);
  });

  it('lead to the unmap of what a replay had mapped before its branch ended', async () => {
    await region.addMapping(params(0, 0x1000));
    const target = new RecordingTarget();
    const error = await errorOf(
      manager.attach((changes$) =>
        changes$.pipe(
          toTarget(target),
          map(() => {
            throw new Error('an operator with a bug');
          }),
        ),
      ),
    );
    expect(error).to.be.instanceOf(DmaMapError);
    expect(error.undone?.map((one) => one.range.toString())).to.deep.equal(['0x0-0x1000']);
    expect(target.held()).to.deep.equal([]);
    await manager.attach(target);
    expect(target.violations).to.deep.equal([]);
  });

  it('lead to the unmap at every target of a fan-out of which one branch ended', async () => {
    const first = new RecordingTarget({ name: 'first' });
    const second = new RecordingTarget({ name: 'second' });
    let sets = 0;
    const attachment = await manager.attach(
      fanOut(
        (changes$) =>
          changes$.pipe(
            toTarget(first),
            map((outcome) => {
              if (++sets > 1) {
                throw new Error('an operator with a bug');
              }
              return outcome;
            }),
          ),
        toTarget(second),
      ),
    );
    await region.addMapping(params(0, 0x1000));
    await errorOf(region.addMapping(params(0x2000, 0x3000)));
    await attachment.detach();
    expect([first.held(), second.held()]).to.deep.equal([[], []]);
  });

  it('include a target that throws an object that cannot be read', async () => {
    const hostile = new Proxy(
      {},
      {
        get: () => {
          throw new Error('do not look');
        },
        has: () => {
          throw new Error('do not look');
        },
      },
    );
    const target = {
      name: 'hostile',
      mapDma: () => {
        throw hostile;
      },
      unmapDma: () => undefined,
    };
    const other = new RecordingTarget();
    await manager.attach(other);
    await manager.attach(target);
    const error = await errorOf(region.addMapping(params(0, 0x1000)));
    expect(error).to.be.instanceOf(DmaMapError);
    expect(other.held()).to.deep.equal([]);
  });

  it('let a fan-out retry only at targets with stuck mappings, and map again what is missing there', async () => {
    const first = new RecordingTarget({ name: 'first' });
    const second = new RecordingTarget({ name: 'second' });
    const attachment = await manager.attach(fanOut(toTarget(first), toTarget(second)));
    await region.addMapping(params(0, 0x1000));
    second.failAll('map 0x0-0x1000 ro');
    // The second unmap of the first one is that of the undo.
    first.takeCalls();
    first.failCall(2, 'EIO');
    first.failCall(3, 'EIO');
    await errorOf(region.map({ writable: false }));
    second.clearFailures();
    first.clearFailures();
    expect(attachment.ledger().filter(({ stuck }) => stuck)).to.have.length(1);
    second.takeCalls();

    await attachment.heal();

    expect(second.takeCalls(), 'the healthy one is left alone').to.deep.equal([]);
    expect([first.held(), second.held()].map(String)).to.deep.equal(['0x0-0x1000', '0x0-0x1000']);
    expect(attachment.missing()).to.deep.equal([]);
    expect(await attachment.verify()).to.deep.equal([]);
  });

  it('do not treat an ABORT_ERR of a target as an abort of the attach', async () => {
    await region.addMapping(params(0, 0x1000));
    const target = new RecordingTarget();
    target.failAll('map', 'ABORT_ERR');
    const error = await errorOf(manager.attach(target));
    expect(error).to.be.instanceOf(DmaMapError);
    expect(manager.attachments).to.deep.equal([]);
  });

  it('include an abort from inside a call of the target', async () => {
    await region.addMapping(params(0, 0x1000));
    await region.addMapping(params(0x2000, 0x3000));
    const abort = new AbortController();
    const held = new Set<string>();
    const error = await errorOf(
      manager.attach(
        {
          name: 'aborting',
          mapDma: async (request) => {
            abort.abort();
            held.add(request.range.toString());
            await Promise.resolve();
          },
          unmapDma: (gone) => {
            held.delete(gone.toString());
          },
        },
        { signal: abort.signal },
      ),
    );
    expect(error).to.include({ name: 'AbortError', code: 'ABORT_ERR' });
    expect([...held]).to.deep.equal([]);
  });

  it('include a branch that subscribes to its source later', async () => {
    await region.addMapping(params(0, 0x1000));
    const target = new RecordingTarget();
    await manager.attach((changes$) =>
      defer(() => of(undefined).pipe(delay(5))).pipe(switchMap(() => changes$.pipe(toTarget(target)))),
    );
    expect(target.held().map(String)).to.deep.equal(['0x0-0x1000']);
  });

  it('leave no VA that a failed attach has made', async () => {
    await region.addMapping(params(0, 0x1000));
    await region.addMapping(params(0x2000, 0x3000));
    const target = new RecordingTarget({ needsVa: true });
    target.failAll('map 0x2000');
    await errorOf(manager.attach(target));
    expect(va.held()).to.deep.equal([]);
  });

  it('leave older snapshots unchanged after the close, and newer ones empty', async () => {
    await region.addMapping(params(0, 0x1000));
    const before = manager.snapshot();
    await manager.close();
    expect(manager.snapshot().mappings).to.deep.equal([]);
    expect(region.active).to.equal(false);
    expect(before.mappings).to.have.length(1);
  });

  it('leave the parameters of a queued command as they were at the call', async () => {
    const reused = { rangeInRegion: range(0, 0x1000), backing: file, writable: true };
    const first = region.addMapping(reused);
    let release = (): void => undefined;
    const slow = manager.attach({
      name: 'slow',
      mapDma: () => new Promise<void>((done) => (release = done)),
      unmapDma: () => undefined,
    });
    const second = region.addMapping(Object.assign(reused, { rangeInRegion: range(0x2000, 0x3000) }));
    Object.assign(reused, { rangeInRegion: range(0x8000, 0x9000) });
    release();
    await Promise.resolve();
    const settleAll = setInterval(() => {
      release();
    }, 1);
    await Promise.all([first, slow, second]);
    clearInterval(settleAll);
    expect(manager.snapshot().mappings.map((one) => one.range.toString())).to.deep.equal([
      '0x0-0x1000',
      '0x2000-0x3000',
    ]);
  });
});
