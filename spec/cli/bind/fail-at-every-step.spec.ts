import { expect } from 'chai';
import { bind } from '../../../cli/bind/bind.js';
import type { DriverSystem } from '../../../cli/bind/driver-system.js';
import { unbind } from '../../../cli/bind/unbind.js';
import { rejected } from '../support/rejected.js';
import { FakeKernel, Lines } from './fake-kernel.js';

const CARD = '0000:01:00.0';
const SOUND = '0000:01:00.1';
const IDLE = '0000:01:00.2';
const DEVICES = [CARD, SOUND, IDLE];

const TASKS = [
  ['bind', (kernel: DriverSystem) => bind('7', {}, kernel, new Lines())],
  ['unbind', (kernel: DriverSystem) => unbind('7', { group: true }, kernel, new Lines())],
] as const;

for (const [task, change] of TASKS) {
  describe(`dma-streams ${task} of a group that fails at every step in turn`, function () {
    this.timeout(60_000);
    let kernel: FakeKernel;

    /** A group of three, as it is before the task. */
    async function prepare(): Promise<readonly string[]> {
      kernel = new FakeKernel();
      kernel.device(CARD, { group: 7, driver: 'nvme' });
      kernel.device(SOUND, { group: 7, driver: 'snd_hda_intel' });
      kernel.device(IDLE, { group: 7 });
      if (task === 'unbind') {
        await bind('7', {}, kernel, new Lines());
      }
      kernel.performed.length = 0;
      return states();
    }
    const states = (): readonly string[] => DEVICES.map((address) => kernel.state(address));

    /** How many steps the task has. */
    async function steps(): Promise<number> {
      await prepare();
      await change(kernel);
      const count = kernel.performed.length;
      kernel[Symbol.dispose]();
      return count;
    }

    it('undoes what was done, at all devices', async () => {
      const count = await steps();
      expect(count).to.be.at.least(8);
      for (let at = 0; at < count; at++) {
        const before = await prepare();
        kernel.before = (number) => {
          if (number === at) {
            throw Object.assign(new Error('EIO: i/o error, write'), { code: 'EIO' });
          }
        };
        const { message } = await rejected(change(kernel));
        expect(states(), `step ${at}`).to.deep.equal(before);
        expect(message).to.match(/^0000:01:00\.\d: ".*" failed: EIO: .*; everything is as it was before$/);
        expect(message).to.contain(`"${kernel.performed[at] ?? ''}"`);
        kernel[Symbol.dispose]();
      }
    });

    it('says exactly what is left if it cannot undo, with the commands that restore it', async () => {
      const count = await steps();
      let left = 0;
      for (let at = 0; at < count; at++) {
        const before = await prepare();
        kernel.before = (number) => {
          if (number >= at) {
            throw new Error('EIO');
          }
        };
        const { message } = await rejected(change(kernel));
        const after = states();
        for (const [index, address] of DEVICES.entries()) {
          const changed = after[index] !== before[index];
          const note = message.split('; ').find((part) => part.startsWith(`${address} is left `));
          expect(note !== undefined, `${address} at step ${at}`).to.equal(changed);
          const driver = after[index]?.split(', ')[0] ?? '';
          expect(note ?? driver).to.contain(driver === 'none' && changed ? 'without a driver' : driver);
          left += changed ? 1 : 0;
        }
        kernel.before = () => undefined;
        for (const [, commands] of message.matchAll(/to restore that, as root: (.*?)(?=; 0000:|$)/g)) {
          kernel.run(commands ?? '');
        }
        expect(states(), `step ${at}`).to.deep.equal(before);
        kernel[Symbol.dispose]();
      }
      expect(left).to.be.at.least(5);
    });

    it('survives a device that vanishes, and gives the others back', async () => {
      const count = await steps();
      for (let at = 0; at < count; at++) {
        for (const gone of [CARD, SOUND]) {
          const before = await prepare();
          kernel.before = (number) => {
            if (number === at) {
              kernel.vanish(gone);
            }
          };
          const result = await change(kernel).then(
            () => undefined,
            (error: unknown) => error as Error,
          );
          if (result === undefined) {
            // It had been changed already, and is missed by nobody.
            expect(states().filter((state) => state === 'gone')).to.have.length(1);
          } else {
            expect(result.message, `step ${at}`).to.contain(`${gone}: the device is gone`);
            expect(states()).to.deep.equal(before.map((state, index) => (DEVICES[index] === gone ? 'gone' : state)));
          }
          kernel[Symbol.dispose]();
        }
      }
    });
  });
}

describe('a driver that does not accept a device', () => {
  it('is a failure of bind, which gives the device back', async () => {
    using kernel = new FakeKernel();
    kernel.device(CARD, { group: 7, driver: 'nvme' });
    // The kernel reports no error when the probe of vfio-pci fails.
    const perform = kernel.perform.bind(kernel);
    kernel.perform = (step) =>
      step.kind === 'write' && step.path.endsWith('drivers_probe') ? Promise.resolve() : perform(step);
    const { message } = await rejected(bind(CARD, {}, kernel, new Lines()));
    expect(message).to.equal(
      `${CARD}: vfio-pci did not accept it, and it has no driver; dmesg says why; everything is as it was before`,
    );
    expect(kernel.state(CARD)).to.equal('nvme, (null)');
  });

  it('is a failure of unbind where vfio-pci takes the device again', async () => {
    using kernel = new FakeKernel();
    kernel.device(CARD, { group: 7 }, 'vfio-pci');
    await bind(CARD, {}, kernel, new Lines());
    const { message } = await rejected(unbind(CARD, {}, kernel, new Lines()));
    expect(message).to.contain('vfio-pci took it again').and.contain('everything is as it was before');
    expect(kernel.state(CARD)).to.equal('vfio-pci, vfio-pci');
  });
});
