import { expect } from 'chai';
import { forwardTarget, MemoryRange, RegionManager, retryMaps, toTarget } from '../../streams/index.js';
import { AddressSpace, DescriptorSocket, Memfd, RamBlocks } from '../../binding/index.js';
import { instrument, serveInspector } from '../../inspect/index.js';
import { QemuSource } from '../../sources/index.js';
import {
  AssignedDevices,
  IommufdTarget,
  KvmTarget,
  LoggingTarget,
  SoftIommuTarget,
  VfioType1Target,
  VhostUserConnection,
} from '../../targets/index.js';
import { checkTarget, FakeVaMapper, mapOf, RecordingTarget } from '../../testing/index.js';

const metrics = { createCounter: () => ({}), createHistogram: () => ({}), addBatchObservableCallback: () => undefined };
const target = new LoggingTarget();
const region = { name: 'ram', range: MemoryRange.of(0, 0x1000), type: 'ram' } as const;

/** Everything public that takes options, and one of them. */
const CALLS: Readonly<
  Record<string, readonly [call: (options: never, manager: RegionManager) => unknown, option: string]>
> = {
  RegionManager: [(options) => new RegionManager(options), 'overlap'],
  addRam: [(params, manager) => manager.addRam(params), 'writable'],
  'a region': [(params, manager) => manager.addRegion(params), 'priority'],
  map: [async (params, manager) => (await manager.addRegion(region)).map(params), 'executable'],
  attach: [(options, manager) => manager.attach(target, options), 'onProgress'],
  detach: [async (options, manager) => (await manager.attach(target)).detach(options), 'abandon'],
  heal: [async (options, manager) => (await manager.attach(target)).heal(options), 'unexpected'],
  retryMaps: [(options) => retryMaps(options, toTarget(target)), 'count'],
  'a target': [(overrides) => forwardTarget(target, overrides), 'mapDma'],
  'Memfd.create': [(options) => Memfd.create('m', 0x1000n, options), 'hugePages'],
  RamBlocks: [(options) => new RamBlocks(options), 'hugePages'],
  AddressSpace: [(options) => new AddressSpace(options), 'size'],
  'DescriptorSocket.connect': [(options) => DescriptorSocket.connect('/run/none', options), 'framing'],
  'DescriptorSocket.listen': [(options) => DescriptorSocket.listen('/run/none', options), 'framing'],
  AssignedDevices: [(options, manager) => new AssignedDevices(manager, options), 'attachAs'],
  IommufdTarget: [(options) => new IommufdTarget({} as never, options), 'by'],
  KvmTarget: [(options) => new KvmTarget({} as never, options), 'firstSlot'],
  LoggingTarget: [(options) => new LoggingTarget(options), 'write'],
  SoftIommuTarget: [(options) => new SoftIommuTarget(options), 'entryLimit'],
  VfioType1Target: [(options) => new VfioType1Target({} as never, options), 'name'],
  'VhostUserConnection.connect': [(options) => VhostUserConnection.connect('/run/none', options), 'timeout'],
  'QemuSource.connect': [(options) => QemuSource.connect('/run/none', options), 'interval'],
  instrument: [(options, manager) => instrument(manager, metrics as never, options), 'maxTargets'],
  serveInspector: [(options, manager) => serveInspector(manager, options), 'port'],
  RecordingTarget: [(options) => new RecordingTarget(options), 'needsVa'],
  FakeVaMapper: [(options) => new FakeVaMapper(options), 'batches'],
  checkTarget: [(options) => checkTarget(() => new LoggingTarget(), options), 'pageSize'],
  'a map change': [(options) => mapOf('0x0-0x1000', options), 'region'],
};

describe('An option that does not exist', () => {
  for (const [name, [call, option]] of Object.entries(CALLS)) {
    it(`is refused, with those that do: ${name}`, async () => {
      const manager = new RegionManager();
      let error: unknown;
      try {
        await call({ mispelt: 1 } as never, manager);
      } catch (thrown) {
        error = thrown;
      }
      expect(error).to.be.instanceOf(TypeError);
      const { message } = error as TypeError;
      expect(message).to.include(`${name} has no "mispelt"; it has `).and.include(option);
      await manager.close();
    });
  }
});
