import { expect } from 'chai';
import { AddressSpace, Memfd } from '../../binding/index.js';
import { DmaError, DmaUnmapError, MemoryRange, RegionManager } from '../../streams/index.js';
import { AssignedDevices, type AssignmentInterface } from '../../targets/index.js';
import { withDeviceAccess } from '../../targets/assigned/domain.js';
import { FakeDevices } from './support/fake-devices.js';

const FIRST = '0000:00:04.0';
const SECOND = '0000:00:05.0';
const NEIGHBOUR_OF_SECOND = '0000:00:05.1';
const THIRD = '0000:00:06.0';
const ALL = ['0x10000', '0x20000', '0x30000'];

async function failure(promise: Promise<unknown>): Promise<DmaError> {
  try {
    await promise;
  } catch (error) {
    expect(error).to.be.instanceOf(DmaError);
    return error as DmaError;
  }
  throw new Error('it did not fail');
}

describe('AssignedDevices', () => {
  let machine: FakeDevices;
  let space: AddressSpace;
  let memfd: Memfd;
  let manager: RegionManager;
  let assigned: AssignedDevices;

  /** A guest with three pages of memory, and a program that gives it devices. */
  async function start(): Promise<void> {
    machine = new FakeDevices();
    space = new AddressSpace({ size: 1n << 34n });
    memfd = Memfd.create('ram', 64n << 20n);
    manager = new RegionManager({ vaMapper: space });
    assigned = new AssignedDevices(manager, withDeviceAccess({}, machine));
    await manager.transaction((edit) => {
      const region = edit.addRegion({ name: 'ram', range: MemoryRange.of(0, 0x40000), type: 'ram' });
      edit.map(region, { writable: true });
      for (const offset of [0x10000, 0x20000, 0x30000]) {
        const rangeInRegion = MemoryRange.ofLength(offset, 0x1000);
        edit.addMapping(region, { rangeInRegion, backing: { mappable: memfd, fileOffset: 0n }, writable: true });
      }
    });
  }

  async function stop(): Promise<void> {
    machine.plan.disarm();
    await assigned.close();
    await manager.close();
    space.close();
    memfd.close();
  }

  beforeEach(start);
  afterEach(stop);

  it('lets a manager find and mend what a container has lost, or holds too much', async () => {
    const { attachment } = await assigned.add(FIRST, { through: 'type1' });
    const maps = machine.domains[0]?.maps ?? new Set<string>();
    const found = async (): Promise<string[]> => (await attachment.verify()).map(({ fault }) => fault);
    expect(await found()).to.deep.equal([]);
    maps.delete('0x20000');
    expect(await found()).to.deep.equal(['missing']);
    await attachment.heal();
    expect([...maps].sort()).to.deep.equal(ALL);
    maps.add('0x90000');
    expect(await found()).to.deep.equal(['unexpected']);
    await attachment.heal({ unexpected: true });
    expect([...maps].sort()).to.deep.equal(ALL);
  });

  for (const through of ['type1', 'iommufd'] as const satisfies readonly AssignmentInterface[]) {
    const name = through === 'type1' ? 'vfio' : 'iommufd';
    const maps = ALL.map((address) => `map ${address}`);

    describe(`through ${through}`, () => {
      it('puts the first device in before it maps anything', async () => {
        const device = await assigned.add(FIRST, { through });
        expect(machine.takeSteps()).to.deep.equal(
          through === 'type1'
            ? ['find', 'open container', 'open group', 'add group', 'open device', ...maps]
            : ['find', 'open iommufd', 'allocate IOAS', 'open device', 'attach device', ...maps],
        );
        expect(device).to.include({ address: FIRST, through });
        expect(device.attachment.target).to.equal(name);
        expect(device.iovaRanges).to.deep.equal([{ start: 0n, last: (1n << 39n) - 1n }]);
        expect(assigned.devices).to.deep.equal([device]);
      });

      it('lets a second one share: it costs no mapping', async () => {
        const first = await assigned.add(FIRST, { through });
        machine.takeSteps();
        const second = await assigned.add(SECOND, { through });
        expect(machine.takeSteps()).to.deep.equal(
          through === 'type1'
            ? ['find', 'open group', 'add group', 'open device']
            : ['find', 'open device', 'attach device'],
        );
        expect(second.attachment).to.equal(first.attachment);
        expect(machine.mapped).to.deep.equal([ALL]);
        expect(manager.attachments).to.have.length(1);
      });

      it('gives it mappings of its own where the kernel does not let it share', async () => {
        machine.shares = false;
        const first = await assigned.add(FIRST, { through });
        const second = await assigned.add(SECOND, { through });
        expect([first, second].map(({ attachment }) => attachment.target)).to.deep.equal([name, `${name}-2`]);
        expect(machine.mapped).to.deep.equal([ALL, ALL]);
        await first.remove();
        const third = await assigned.add(THIRD, { through });
        expect(third.attachment.target).to.equal(name);
      });

      it('unmaps with the last one alone, and maps everything for the next', async () => {
        const first = await assigned.add(FIRST, { through });
        const second = await assigned.add(SECOND, { through });
        machine.takeSteps();
        await first.remove();
        expect(machine.takeSteps()).to.deep.equal([]);
        expect(machine.mapped).to.deep.equal([ALL]);
        await second.remove();
        expect(machine.takeSteps().filter((step) => step.startsWith('unmap'))).to.have.length(3);
        expect(machine.open).to.deep.equal([]);
        expect(manager.attachments).to.deep.equal([]);
        await assigned.add(SECOND, { through });
        expect(machine.mapped).to.deep.equal([ALL]);
      });

      it('takes an add, a remove and a close in the order in which they came', async () => {
        const [first, second] = [assigned.add(FIRST, { through }), assigned.add(SECOND, { through })];
        const removed = first.then((device) => device.remove());
        const twice = failure(assigned.add(SECOND, { through }));
        const closed = assigned.close();
        const late = failure(assigned.add(THIRD, { through }));
        await Promise.all([first, second, removed, closed]);
        expect(await twice).to.include({ code: 'ERR_ALREADY_ASSIGNED' });
        expect(await late).to.include({ code: 'ERR_CLOSED' });
        expect(machine.open).to.deep.equal([]);
        expect(assigned.close()).to.equal(closed);
      });

      it('removes twice without harm', async () => {
        const first = await assigned.add(FIRST, { through });
        await Promise.all([first.remove(), first.remove()]);
        await assigned.add(FIRST, { through });
        await first.remove();
        expect(machine.mapped).to.deep.equal([ALL]);
      });

      it('attaches its target again when somebody has detached it', async () => {
        const first = await assigned.add(FIRST, { through });
        await first.attachment.detach();
        expect(machine.mapped).to.deep.equal([[]]);
        await assigned.add(SECOND, { through });
        expect(machine.mapped).to.deep.equal([ALL]);
      });

      for (const onwards of [false, true]) {
        const which = onwards ? 'a step and all after it' : 'a step';
        const states: readonly [string, (before: FakeDevices) => Promise<void>][] = [
          ['the first device', () => Promise.resolve()],
          [
            'a device that shares',
            async () => {
              await assigned.add(THIRD, { through });
            },
          ],
          [
            'a device that may not share',
            async (before) => {
              await assigned.add(THIRD, { through });
              before.shares = false;
            },
          ],
        ];
        for (const [what, prepare] of states) {
          it(`leaves nothing of ${what} when ${which} of its adding fails, and takes it afterwards`, async () => {
            let number = 0;
            for (let struck = true; struck; number++) {
              if (number > 0) {
                await stop();
                await start();
              }
              await prepare(machine);
              const before = { open: machine.open, mapped: machine.mapped, devices: assigned.devices };
              machine.plan.arm(number, onwards);
              const error = await assigned.add(SECOND, { through }).then(
                () => undefined,
                (thrown: unknown) => thrown,
              );
              ({ struck } = machine.plan);
              machine.plan.disarm();
              if (error !== undefined) {
                expect(error).to.be.instanceOf(DmaError).and.to.include({ code: 'EIO' });
                const after = { open: machine.open, mapped: machine.mapped, devices: assigned.devices };
                expect(after, `step ${number}`).to.deep.equal(before);
                await assigned.add(SECOND, { through });
              }
              expect(machine.mapped.every((held) => held.join() === ALL.join())).to.equal(true);
              expect(assigned.devices).to.have.length(before.devices.length + 1);
            }
            expect(number, 'steps that were made to fail').to.be.greaterThan(what === 'a device that shares' ? 2 : 5);
          });
        }

        it(`lets the last device go though ${which} of unmapping fails: the kernel unmaps what is left`, async () => {
          for (let number = 0, struck = true; struck; number++) {
            const device = await assigned.add(FIRST, { through });
            machine.plan.arm(number, onwards);
            await device.remove();
            ({ struck } = machine.plan);
            machine.plan.disarm();
            expect(machine.open, `step ${number}`).to.deep.equal([]);
            expect(manager.attachments).to.deep.equal([]);
          }
        });
      }

      it('says what stays mapped while somebody else has the last device open, and lets it go when he does', async () => {
        const device = await assigned.add(FIRST, { through });
        machine.elsewhere.add(FIRST);
        machine.plan.arm(0, true);
        const error = await failure(device.remove());
        machine.plan.disarm();
        expect(error).to.be.instanceOf(DmaUnmapError);
        expect((error as DmaUnmapError).stuck.map(({ range }) => range.toString())).to.deep.equal([
          '0x10000-0x11000',
          '0x20000-0x21000',
          '0x30000-0x31000',
        ]);
        expect(machine.mapped).to.deep.equal([ALL]);
        machine.plan.arm(0, true);
        machine.letGo(FIRST);
        machine.plan.disarm();
        await assigned.add(SECOND, { through });
        expect(machine.mapped).to.deep.equal([ALL]);
        expect(machine.open, 'nothing of the first is left').to.have.length(through === 'type1' ? 3 : 2);
      });

      it('waits for the call that an aborted add leaves behind before it closes the device', async () => {
        const range = MemoryRange.ofLength(1n << 32n, 64n << 20n);
        await manager.transaction((edit) => {
          const region = edit.addRegion({ name: 'large', range, type: 'ram' });
          edit.map(region, { writable: true });
          edit.addMapping(region, {
            rangeInRegion: MemoryRange.ofLength(0n, range.length),
            backing: { mappable: memfd, fileOffset: 0n },
            writable: true,
          });
        });
        let comeBack: () => void = () => undefined;
        machine.gate = new Promise((resolve) => (comeBack = resolve));
        const abort = new AbortController();
        const attached: string[] = [];
        const adding = failure(assigned.add(FIRST, { through, signal: abort.signal })).then((error) => {
          attached.push('rejected');
          return error;
        });
        while (machine.later === 0) {
          await new Promise((resolve) => setImmediate(resolve));
        }
        abort.abort();
        await new Promise((resolve) => setTimeout(resolve, 1500));
        expect(attached, 'while the call is under way').to.deep.equal([]);
        expect(machine.open).to.include(`device ${FIRST}`);
        comeBack();
        expect(await adding).to.include({ code: 'ABORT_ERR' });
        expect(machine.open).to.deep.equal([]);
        expect(machine.steps, 'what the call has mapped is unmapped, not left to the close').to.include(
          'unmap 0x100000000',
        );
      });
    });
  }

  it('opens a group once for all of its devices, and closes it with the last', async () => {
    const second = await assigned.add(SECOND, { through: 'type1' });
    machine.takeSteps();
    const neighbour = await assigned.add(NEIGHBOUR_OF_SECOND, { through: 'type1' });
    expect(machine.takeSteps()).to.deep.equal(['find', 'open device']);
    await second.remove();
    expect(machine.open).to.include('group 5');
    await neighbour.remove();
    expect(machine.open).to.deep.equal([]);
  });

  it('keeps type1 and iommufd apart', async () => {
    await assigned.add(FIRST, { through: 'type1' });
    await assigned.add(SECOND, { through: 'iommufd' });
    expect(machine.mapped).to.deep.equal([ALL, ALL]);
    expect(manager.attachments.map(({ target }) => target)).to.deep.equal(['vfio', 'iommufd']);
  });

  it('refuses what it cannot understand, and a device that is not there', async () => {
    for (const options of [undefined, null, {}, { through: 'magic' }]) {
      const error: unknown = await assigned.add(FIRST, options as never).catch((thrown: unknown) => thrown);
      expect(error).to.satisfy((thrown: unknown) => thrown instanceof TypeError || thrown instanceof RangeError);
    }
    expect(await failure(assigned.add('0000:00:1e.7', { through: 'type1' }))).to.include({ code: 'ENODEV' });
    expect(machine.open).to.deep.equal([]);
  });
});
