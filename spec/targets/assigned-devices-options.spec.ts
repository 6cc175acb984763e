import { expect } from 'chai';
import { AddressSpace, Memfd } from '../../binding/index.js';
import {
  DmaError,
  DmaUnmapError,
  ensureMapped,
  forwardTarget,
  MemoryRange,
  onlyType,
  RegionManager,
  toTarget,
  type DmaTarget,
} from '../../streams/index.js';
import { AssignedDevices, type AssignedDevicesOptions, type AssignmentInterface } from '../../targets/index.js';
import { withDeviceAccess } from '../../targets/assigned/domain.js';
import { FakeDevices } from './support/fake-devices.js';

const FIRST = '0000:00:04.0';
const SECOND = '0000:00:05.0';
const THIRD = '0000:00:06.0';

describe('AssignedDevices: options, and its manager closed first', () => {
  let machine: FakeDevices;
  let space: AddressSpace;
  let memfd: Memfd;
  let manager: RegionManager;
  let opened: AssignedDevices[];

  /** A guest with a page of RAM and a page of device memory. */
  beforeEach(async () => {
    machine = new FakeDevices();
    space = new AddressSpace({ size: 1n << 34n });
    memfd = Memfd.create('ram', 1n << 20n);
    manager = new RegionManager({ vaMapper: space });
    opened = [];
    for (const [name, type, start] of [
      ['ram', 'ram', 0x10000],
      ['bar', 'device', 0x20000],
    ] as const) {
      const region = await manager.addRegion({ name, type, range: MemoryRange.ofLength(start, 0x1000) });
      await region.map({ writable: true });
      const rangeInRegion = MemoryRange.ofLength(0, 0x1000);
      await region.addMapping({ rangeInRegion, backing: { mappable: memfd, fileOffset: 0n }, writable: true });
    }
  });

  afterEach(async () => {
    for (const assigned of opened) {
      await assigned.close();
    }
    await manager.close();
    space.close();
    memfd.close();
    expect(machine.open).to.deep.equal([]);
  });

  function assigning(options: AssignedDevicesOptions): AssignedDevices {
    const assigned = new AssignedDevices(manager, withDeviceAccess(options, machine));
    opened.push(assigned);
    return assigned;
  }

  const targets = (): readonly string[] => manager.attachments.map(({ target }) => target);

  it('refuses a name that is no string, and an attachAs that is no function', () => {
    expect(() => assigning({ name: 4 as never })).to.throw(TypeError, 'name must be a string, not 4');
    expect(() => assigning({ attachAs: 'ram' as never })).to.throw(TypeError, "attachAs must be a function, not 'ram'");
  });

  it('names the targets of all domains, so that those of two objects at one manager differ', async () => {
    machine.shares = false;
    const disks = assigning({ name: 'disks' });
    await disks.add(FIRST, { through: 'type1' });
    await disks.add(SECOND, { through: 'iommufd' });
    await assigning({ name: 'card' }).add(THIRD, { through: 'iommufd' });
    expect(targets()).to.deep.equal(['disks', 'disks-2', 'card']);
  });

  for (const through of ['type1', 'iommufd'] as const satisfies readonly AssignmentInterface[]) {
    describe(`through ${through}`, () => {
      it('names its target in an error of the kernel', async () => {
        const assigned = assigning({ name: 'disk' });
        await assigned.add(FIRST, { through });
        machine.plan.arm(0, true);
        const region = await manager.addRegion({
          name: 'more',
          type: 'ram',
          range: MemoryRange.ofLength(0x30000, 0x1000),
        });
        await region.map({ writable: true });
        const backing = { mappable: memfd, fileOffset: 0n };
        const error: unknown = await region
          .addMapping({ rangeInRegion: MemoryRange.ofLength(0, 0x1000), backing, writable: true })
          .catch((thrown: unknown) => thrown);
        machine.plan.disarm();
        expect(error).to.be.instanceOf(DmaError).and.to.include({ target: 'disk' });
      });

      it('attaches a wrapper, which gets every call, and makes it once for each domain', async () => {
        const calls: string[] = [];
        const made: string[] = [];
        const attachAs = (target: DmaTarget): DmaTarget => {
          made.push(target.name);
          return forwardTarget(target, {
            mapDma: (request) => {
              calls.push(`map ${request.region}`);
              return target.mapDma(request);
            },
            unmapDma: (range) => {
              calls.push(`unmap ${range.toString()}`);
              return target.unmapDma(range);
            },
            mapDmaBatch: undefined,
            unmapDmaBatch: undefined,
          });
        };
        const assigned = assigning({ name: 'disk', attachAs });
        const first = await assigned.add(FIRST, { through });
        expect(calls.splice(0)).to.deep.equal(['map ram', 'map bar']);
        expect(machine.mapped).to.deep.equal([['0x10000', '0x20000']]);
        await assigned.add(SECOND, { through });
        expect(calls).to.deep.equal([]);
        await first.attachment.detach();
        await assigned.add(THIRD, { through });
        expect(calls.splice(0)).to.deep.equal(['unmap 0x10000-0x11000', 'unmap 0x20000-0x21000', 'map ram', 'map bar']);
        expect(made).to.deep.equal(['disk']);
        await assigned.close();
        expect(calls).to.deep.equal(['unmap 0x10000-0x11000', 'unmap 0x20000-0x21000']);
        expect(machine.open).to.deep.equal([]);
      });

      it('attaches a branch with operators before the target', async () => {
        const assigned = assigning({
          attachAs: (target) => (changes$) => changes$.pipe(onlyType('ram'), ensureMapped(space), toTarget(target)),
        });
        const device = await assigned.add(FIRST, { through });
        expect(machine.mapped).to.deep.equal([['0x10000']]);
        await device.remove();
        expect(machine.takeSteps()).to.include('unmap 0x10000');
      });

      it('closes its devices after the manager was closed, which has unmapped everything', async () => {
        const assigned = assigning({});
        await assigned.add(FIRST, { through });
        await assigned.add(SECOND, { through });
        await manager.close();
        expect(machine.mapped).to.deep.equal([[]]);
        expect(machine.open).to.include(`device ${FIRST}`);
        machine.takeSteps();
        const late: unknown = await assigned.add(THIRD, { through }).catch((thrown: unknown) => thrown);
        expect(late).to.be.instanceOf(DmaError).and.to.include({ code: 'ERR_CLOSED' });
        await assigned.close();
        expect(machine.open).to.deep.equal([]);
        expect(machine.takeSteps().filter((step) => step.includes('map'))).to.deep.equal([]);
      });

      it('closes its devices also where the manager could not unmap everything', async () => {
        const assigned = assigning({});
        await assigned.add(FIRST, { through });
        machine.plan.arm(0, true);
        const error: unknown = await manager.close().catch((thrown: unknown) => thrown);
        expect(error).to.be.instanceOf(DmaUnmapError);
        expect(machine.mapped).to.deep.equal([['0x10000', '0x20000']]);
        await assigned.close();
        machine.plan.disarm();
        expect(machine.open).to.deep.equal([]);
        // The next close of this manager would fail like the first.
        manager = new RegionManager();
      });

      it('leaves nothing open when attachAs throws, or returns what cannot be attached', async () => {
        const broken = new Error('no wrapper today');
        for (const [attachAs, message] of [
          [
            () => {
              throw broken;
            },
            'no wrapper today',
          ],
          [() => 'ram' as never, 'a target'],
        ] as const) {
          const error: unknown = await assigning({ attachAs })
            .add(FIRST, { through })
            .catch((thrown: unknown) => thrown);
          expect(error).to.be.instanceOf(Error).with.property('message').that.contains(message);
          expect(machine.open).to.deep.equal([]);
          expect(manager.attachments).to.deep.equal([]);
        }
      });
    });
  }
});
