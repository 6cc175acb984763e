import { expect } from 'chai';
import { of, Subject } from 'rxjs';
import {
  ensureMapped,
  fanOut,
  filterMaps,
  forwardTarget,
  MemoryRange,
  RegionManager,
  retryMaps,
  toTarget,
  withTimeout,
} from '../../streams/index.js';
import * as binding from '../../binding/index.js';
import { instrument, serveInspector } from '../../inspect/index.js';
import { QemuSource } from '../../sources/index.js';
import { followSections } from '../../sources/follow.js';
import * as targets from '../../targets/index.js';
import { addRam, checkTarget, FakeMappable, FakeVaMapper, RecordingTarget } from '../../testing/index.js';

/** A class where TypeScript wants an object. */
const given = (type: unknown): never => type as never;

const { AddressSpace, DmaBatch, Ioas, Iommufd, Kvm, KvmVm, Memfd, RamBlocks, VfioContainer } = binding;
const { LoggingTarget, SoftIommuTarget, VhostUserConnection } = targets;
class MyTarget extends RecordingTarget {}

const range = MemoryRange.of(0, 0x1000);
const ram = { name: 'ram', range };

/** What is called, the class that it gets, and the advice. */
const CALLS: Readonly<
  Record<string, readonly [call: (manager: RegionManager, type: never) => unknown, type: unknown, advice: string]>
> = {
  'new RegionManager({ vaMapper })': [(_, vaMapper) => new RegionManager({ vaMapper }), RamBlocks, 'new RamBlocks(…)'],
  'new RegionManager()': [(_, options) => new RegionManager(options), AddressSpace, 'new AddressSpace(…)'],
  'new RegionManager({ onWarning })': [(_, onWarning) => new RegionManager({ onWarning }), MyTarget, 'new MyTarget(…)'],
  'attach()': [(manager, target) => manager.attach(target), SoftIommuTarget, 'new SoftIommuTarget(…)'],
  'attach() of a class of the user': [(manager, target) => manager.attach(target), MyTarget, 'new MyTarget(…)'],
  'attach(, { signal })': [
    (manager, signal) => manager.attach(new LoggingTarget(), { signal }),
    AbortSignal,
    'the signal of a new AbortController()',
  ],
  'addRam({ backing })': [
    (manager, backing) => manager.addRam({ ...ram, backing }),
    Memfd,
    'Memfd.create or Memfd.from',
  ],
  'addRam({ backing: { mappable } })': [
    (manager, mappable) => manager.addRam({ ...ram, backing: { mappable, fileOffset: 0n } }),
    Memfd,
    'Memfd.create or Memfd.from',
  ],
  'addRam({ range })': [
    (manager, at) => manager.addRam({ name: 'ram', range: at, backing: 'private' }),
    MemoryRange,
    'MemoryRange.of or MemoryRange.ofLength',
  ],
  'addRegion({ range })': [
    (manager, at) => manager.addRegion({ name: 'ram', range: at, type: 'ram' }),
    MemoryRange,
    'MemoryRange.of or MemoryRange.ofLength',
  ],
  'addMapping({ backing: { mappable } })': [
    async (manager, mappable) => {
      const region = await manager.addRegion({ ...ram, type: 'ram' });
      await region.addMapping({ rangeInRegion: range, backing: { mappable, fileOffset: 0n }, writable: true });
    },
    FakeMappable,
    'new FakeMappable(…)',
  ],
  'edit.removeRegion()': [
    (manager, region) =>
      manager.transaction((edit) => {
        edit.removeRegion(region);
      }),
    MyTarget,
    'new MyTarget(…)',
  ],
  'toTarget()': [(_, target) => toTarget(target), LoggingTarget, 'new LoggingTarget(…)'],
  'ensureMapped()': [(_, mapper) => ensureMapped(mapper), FakeVaMapper, 'new FakeVaMapper(…)'],
  'fanOut()': [(_, branch) => fanOut(branch), LoggingTarget, 'new LoggingTarget(…)'],
  'withTimeout()': [(_, branch) => withTimeout(5, branch), LoggingTarget, 'new LoggingTarget(…)'],
  'retryMaps()': [(_, branch) => retryMaps({ count: 1 }, branch), LoggingTarget, 'new LoggingTarget(…)'],
  'filterMaps()': [(_, predicate) => filterMaps(predicate), MyTarget, 'new MyTarget(…)'],
  'forwardTarget()': [(_, target) => forwardTarget(target), LoggingTarget, 'new LoggingTarget(…)'],
  'instrument()': [(_, manager) => instrument(manager, given({})), RegionManager, 'new RegionManager(…)'],
  'serveInspector()': [(_, manager) => serveInspector(manager), RegionManager, 'new RegionManager(…)'],
  'QemuSource.follow()': [
    (_, manager) => followSections(new Subject(), manager),
    RegionManager,
    'new RegionManager(…)',
  ],
  'checkTarget()': [(_, make) => checkTarget(make), SoftIommuTarget, 'new SoftIommuTarget(…)'],
  'addRam() of the test kit': [(_, manager) => addRam(manager, range), RegionManager, 'new RegionManager(…)'],
  'new AssignedDevices()': [
    (_, manager) => new targets.AssignedDevices(manager),
    RegionManager,
    'new RegionManager(…)',
  ],
  'new KvmTarget()': [(_, vm) => new targets.KvmTarget(vm), KvmVm, 'kvm.createVm or KvmVm.from'],
  'new IommufdTarget()': [(_, ioas) => new targets.IommufdTarget(ioas), Ioas, 'iommufd.allocIoas'],
  'new VfioType1Target()': [(_, of) => new targets.VfioType1Target(of), VfioContainer, 'VfioContainer.open'],
  'new VhostUserTarget()': [
    (_, connection) => new targets.VhostUserTarget(connection),
    VhostUserConnection,
    'await VhostUserConnection.connect',
  ],
  'batch.copy()': [
    (_, source) => {
      new DmaBatch().copy(range, source, true);
    },
    Ioas,
    'iommufd.allocIoas',
  ],
  'VhostUserConnection.connect()': [
    (_, options) => VhostUserConnection.connect('/run/none', options),
    QemuSource,
    'await QemuSource.connect',
  ],
  'QemuSource.connect()': [(_, options) => QemuSource.connect('/run/none', options), Iommufd, 'Iommufd.open'],
  'new SoftIommuTarget()': [(_, options) => new SoftIommuTarget(options), RamBlocks, 'new RamBlocks(…)'],
  'memory.ensureMapped()': [
    (_, change) => {
      using memory = new RamBlocks();
      return memory.ensureMapped(change);
    },
    Memfd,
    'Memfd.create or Memfd.from',
  ],
  'memory.ensureMapped({ backing })': [
    (_, mappable) => {
      using memory = new RamBlocks();
      return memory.ensureMapped({
        range,
        region: 'ram',
        type: 'ram',
        writable: true,
        backing: { mappable, fileOffset: 0n },
      });
    },
    Memfd,
    'Memfd.create or Memfd.from',
  ],
  'Memfd.create(, options)': [(_, options) => Memfd.create('m', 0x1000n, options), Kvm, 'Kvm.open'],
};

describe('A class where an object is needed', () => {
  for (const [name, [call, type, advice]] of Object.entries(CALLS)) {
    it(`is named by ${name}, with what makes an object`, async () => {
      const manager = new RegionManager();
      let error: unknown;
      try {
        await call(manager, given(type));
      } catch (thrown) {
        error = thrown;
      }
      expect(error).to.be.instanceOf(TypeError);
      const { message } = error as TypeError;
      expect(message).to.include(`the class ${(type as { readonly name: string }).name}`);
      expect(message).to.include(advice);
      await manager.close();
    });
  }

  it('is checked where it can be: an object where a function is needed is named, too', () => {
    expect(() => checkTarget(given(new MyTarget()))).to.throw(
      TypeError,
      'not a MyTarget: checkTarget(() => new MyTarget(…))',
    );
    expect(() => checkTarget(given(Object.create(null)))).to.throw(
      TypeError,
      'not an object: checkTarget(() => new MyTarget(…))',
    );
  });

  it('is checked at targets of the kernel: another object is named, too', () => {
    using memory = new RamBlocks();
    for (const [make, needed] of [
      [() => new targets.VfioType1Target(given(memory)), 'a VfioContainer'],
      [() => new targets.IommufdTarget(given(memory)), 'an Ioas'],
      [() => new targets.KvmTarget(given(memory)), 'a KvmVm'],
    ] as const) {
      expect(make).to.throw(TypeError, `${needed} is needed, not a RamBlocks`);
    }
    expect(() => new targets.VfioType1Target(given(Object.create(null)))).to.throw(TypeError, 'not another object');
  });

  it('is not what a method of the name "class" is', () => {
    const { class: branch } = { class: () => of() };
    const { class: method } = {
      class() {
        return of();
      },
    };
    expect(() => fanOut(branch, method)).not.to.throw();
  });

  it('has advice that is right: what it names exists', () => {
    const classes = { ...binding, ...targets, QemuSource, MemoryRange };
    for (const [, , advice] of Object.values(CALLS)) {
      for (const [, type = '', maker = ''] of advice.matchAll(/\b(\w+)\.(\w+)/g)) {
        // What an object of a class makes has the name of the class in small letters before it.
        const className = type.charAt(0).toUpperCase() + type.slice(1);
        const made = (classes as Readonly<Record<string, unknown>>)[className] as { readonly prototype: object };
        expect(maker in (type === className ? made : made.prototype), `${type}.${maker}`).to.equal(true);
      }
    }
  });
});
