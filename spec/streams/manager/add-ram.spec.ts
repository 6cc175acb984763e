import { expect } from 'chai';
import fc from 'fast-check';
import { map } from 'rxjs';
import {
  MemoryRange,
  RegionManager,
  type ChangeSet,
  type DmaError,
  type Mappable,
  type MapParams,
  type MappingParams,
  type RamParams,
  type Region,
  type RegionEdit,
  type RegionEvent,
} from '../../../streams/index.js';
import { FakeMappable, FakeVaMapper, marbleTest, RecordingTarget, setText } from '../../../testing/index.js';
import { FILE, mapping, range, rejectionOf, viewOf } from '../support/phrases.js';

/** What `addRam` stands for. */
function asThreeEdits(edit: RegionEdit, params: RamParams): Region {
  const {
    name,
    range: at,
    priority,
    holes,
    granule,
    executable,
    prefetch,
    backing,
    fileOffset = 0n,
    writable = true,
  } = params;
  const region = edit.addRegion({
    name,
    range: at,
    type: 'ram',
    ...(priority === undefined ? {} : { priority }),
    ...(holes === undefined ? {} : { holes }),
  });
  const part: MappingParams = {
    rangeInRegion: MemoryRange.ofLength(0n, at.length),
    backing: backing === 'private' || 'mappable' in backing ? backing : { mappable: backing, fileOffset },
    writable,
  };
  edit.addMapping(region, granule === undefined ? part : { ...part, granule });
  const access: MapParams = { writable: true };
  edit.map(region, {
    ...access,
    ...(executable === undefined ? {} : { executable }),
    ...(prefetch === undefined ? {} : { prefetch }),
  });
  return region;
}

/** A manager with some memory, and all that it says and does. */
class Watched {
  readonly target = new RecordingTarget({ name: 'T', needsVa: true });
  readonly manager: RegionManager;
  readonly events: RegionEvent[] = [];
  readonly sets: ChangeSet[] = [];

  private constructor(overlap: 'contained' | 'any') {
    this.manager = new RegionManager({ overlap, vaMapper: new FakeVaMapper() });
  }

  static async build(overlap: 'contained' | 'any'): Promise<Watched> {
    const watched = new Watched(overlap);
    const { manager } = watched;
    await manager.transaction((edit) => {
      const low = edit.addRegion({ name: 'low', range: range(0x0, 0x4000), type: 'ram' });
      edit.addMapping(low, mapping(0x0, 0x4000));
      edit.map(low, { writable: true });
      edit.addRegion({ name: 'hole', range: range(0x8000, 0xa000), priority: 1, type: 'device' });
    });
    await manager.attach(watched.target);
    watched.target.takeCalls();
    manager.events$.subscribe((event) => watched.events.push(event));
    manager.changes().subscribe((set) => watched.sets.push(set));
    return watched;
  }

  /** What a command did: everything that anybody can see of it. */
  async after(command: Promise<Region>): Promise<unknown> {
    const answer = await command.then(
      ({ name, range: at, active, mapped }) => ({ name, range: at.toString(), active, mapped }),
      (error: unknown) => {
        const { name, message, code } = error as DmaError;
        return { name, message, code };
      },
    );
    const { calls } = this.target;
    const { manager, events, sets } = this;
    const regions = manager.regions.map((one) => JSON.stringify(one));
    return { answer, calls, events, sets: sets.map(setText), regions, view: manager.snapshot().mappings };
  }
}

const short = new FakeMappable('short', 0x6000n);

const ram: fc.Arbitrary<RamParams> = fc.record(
  {
    name: fc.constantFrom('ram', 'other'),
    range: fc
      .tuple(fc.nat({ max: 11 }), fc.integer({ min: 1, max: 8 }))
      .map(([start, length]) => MemoryRange.ofPages(start, start + length)),
    backing: fc.constantFrom(FILE, short, 'private' as const, { mappable: FILE, fileOffset: 0x3000n }),
    priority: fc.constantFrom(-1, 0, 1, 2, Number.NaN),
    holes: fc.constantFrom('opaque', 'transparent'),
    granule: fc.constantFrom(0x1000n, 0x2000n, 0x1800n),
    writable: fc.boolean(),
    executable: fc.boolean(),
    prefetch: fc.boolean(),
  },
  { requiredKeys: ['name', 'range', 'backing'] },
);

const offset = fc.constantFrom(undefined, 0n, 0x2000n, 0x5000n, 0x10n, -0x1000n);

describe('RegionManager.addRam', () => {
  let manager: RegionManager;

  beforeEach(() => {
    manager = new RegionManager();
  });

  it('is addRegion, addMapping and map in one transaction, refusals included', async () => {
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(fc.constantFrom('contained', 'any'), ram, offset, async (overlap, params, fileOffset) => {
        const isFile = params.backing instanceof FakeMappable;
        const given = isFile && fileOffset !== undefined ? { ...params, fileOffset } : params;
        const expected = await Watched.build(overlap);
        const what = await expected.after(expected.manager.transaction((edit) => asThreeEdits(edit, given)));
        const byCommand = await Watched.build(overlap);
        expect(await byCommand.after(byCommand.manager.addRam(given))).to.deep.equal(what);
        const byEdit = await Watched.build(overlap);
        expect(await byEdit.after(byEdit.manager.transaction((edit) => edit.addRam(given)))).to.deep.equal(what);
        refused += expected.events.length === 0 ? 1 : 0;
      }),
      { numRuns: 300 },
    );
    expect(refused).to.be.within(15, 285);
  });

  it('makes one change set, in the frame of the call, and takes its turn among the commands of others', () => {
    marbleTest(({ cold, expectObservable }) => {
      const add = (page: number): void => {
        void manager.addRam({ name: `${page}`, range: MemoryRange.ofPages(page, page + 1), backing: FILE });
      };
      manager.changes().subscribe(({ generation }) => {
        if (generation === 1) {
          add(9);
        }
      });
      cold('-0---1|').subscribe((page) => {
        add(Number(page));
      });
      expectObservable(manager.changes().pipe(map(setText))).toBe('s(ab)c', {
        s: '0 snapshot',
        a: '1: map 0x0-0x1000 rw',
        b: '2: map 0x9000-0xa000 rw',
        c: '3: map 0x1000-0x2000 rw',
      });
    });
  });

  it('leaves no region when a target refuses, and works when it no longer does', async () => {
    const target = new RecordingTarget({ name: 'T' });
    const other = new RecordingTarget({ name: 'O' });
    await manager.attach(other);
    await manager.attach(target);
    target.failAll('map');
    const params = { name: 'ram', range: range(0x0, 0x4000), backing: FILE };
    expect(await rejectionOf(manager.addRam(params))).to.include({ name: 'DmaMapError', target: 'T', region: 'ram' });
    expect([manager.regions, other.held(), target.held()]).to.deep.equal([[], [], []]);
    target.clearFailures();
    const region = await manager.addRam(params);
    expect(viewOf(manager)).to.deep.equal(['0x0-0x4000 rw']);
    await region.remove();
    expect([manager.regions, other.held(), target.held()]).to.deep.equal([[], [], []]);
  });

  it('that is refused in a transaction leaves nothing in it', async () => {
    const closed = new FakeMappable('closed');
    closed.close();
    const at = { name: 'ram', range: range(0x0, 0x4000) };
    await manager.transaction((edit) => {
      for (const wrong of [
        { ...at, backing: closed },
        { ...at, backing: short, fileOffset: 0x4000n },
        { ...at, backing: FILE, granule: 1n },
        { ...at, backing: 'private' as const },
        { ...at, backing: FILE, executable: 1 as never },
      ]) {
        expect(() => edit.addRam(wrong)).to.throw();
      }
      edit.addRam({ ...at, name: 'good', backing: FILE });
    });
    expect(manager.regions.map(({ name }) => name)).to.deep.equal(['good']);
    expect(viewOf(manager)).to.deep.equal(['0x0-0x4000 rw']);
  });

  it('reads its parameters at the call', async () => {
    const backing = { mappable: FILE, fileOffset: 0x1000n };
    const params = { name: 'ram', range: range(0x0, 0x1000), backing };
    let waiting: Promise<Region> | undefined;
    await manager.transaction(() => {
      waiting = manager.addRam(params);
      params.range = range(0x1000, 0x2000);
      backing.fileOffset = 0x9000n;
    });
    await waiting;
    expect(viewOf(manager)).to.deep.equal(['0x0-0x1000 rw']);
    expect(manager.snapshot().mappings[0]?.backing).to.deep.equal({ mappable: FILE, fileOffset: 0x1000n });
  });

  it('reads a backing that is an object of a class, with accessors', async () => {
    class Part {
      #file = FILE;
      #offset = 0x2000n;
      get mappable(): Mappable {
        return this.#file;
      }
      get fileOffset(): bigint {
        return this.#offset;
      }
    }
    await manager.addRam({ name: 'ram', range: range(0x0, 0x1000), backing: new Part() });
    expect(manager.snapshot().mappings[0]?.backing).to.deep.equal({ mappable: FILE, fileOffset: 0x2000n });
  });

  it('leaves nothing in a transaction when a file is closed between its checks', async () => {
    for (const opens of [0, 1, 2, 3]) {
      let reads = 0;
      const closing = {
        label: 'closing',
        size: 0x4000n,
        get fd(): number {
          if (reads++ >= opens) {
            throw new Error('it is closed');
          }
          return 5;
        },
      };
      await manager
        .transaction((edit) => {
          try {
            edit.addRam({ name: 'ram', range: range(0x0, 0x4000), backing: closing });
          } catch {
            return;
          }
          throw new Error('all checks have passed: undo it');
        })
        .catch(() => undefined);
      expect(manager.regions).to.deep.equal([]);
    }
  });

  it('names a wrong parameter, and says what it should be', async () => {
    const good = { name: 'ram', range: range(0x0, 0x4000), backing: FILE };
    for (const [bad, mentions] of [
      [undefined, 'the parameters of addRam: an object is needed, not undefined'],
      [{ ...good, writeable: false }, 'addRam has no "writeable"; it has name, range'],
      [{ ...good, type: 'device' }, 'addRam has no "type"'],
      [{ ...good, fileOffset: null }, 'fileOffset of a mapping in region "ram" must be a bigint'],
      [{ ...good, name: 1 }, 'name of a region must be a string, not 1'],
      [{ ...good, range: '0x0-0x4000' }, 'range of region "ram" must be a MemoryRange'],
      [{ ...good, backing: undefined }, `backing of region "ram" (a Memfd, 'private', or a mappable and a fileOffset)`],
      [{ ...good, backing: 'public' }, `an object is needed, not 'public'`],
      [{ ...good, backing: null }, 'an object is needed, not null'],
      [{ ...good, backing: { label: 'x' } }, 'fd of mappable "x" must be a file descriptor, not undefined'],
      [{ ...good, backing: { mappable: FILE } }, 'fileOffset of a mapping in region "ram" must be a bigint'],
      [{ ...good, writable: 'yes' }, 'writable of a mapping in region "ram" must be a boolean'],
      [{ ...good, fileOffset: '0' }, 'fileOffset of a mapping in region "ram" must be a bigint'],
      [{ ...good, backing: { mappable: FILE, fileOffset: 0n }, fileOffset: 0n }, 'has a fileOffset of its own'],
      [{ ...good, backing: 'private', fileOffset: 0n }, 'private memory is not in a file'],
    ] as const) {
      const error = await rejectionOf(manager.addRam(bad as never));
      expect(error.name).to.equal('TypeError');
      expect(error.message).to.include(mentions);
    }
    await manager.close();
    expect(await rejectionOf(manager.addRam(undefined as never))).to.include({ code: 'ERR_CLOSED' });
  });
});
