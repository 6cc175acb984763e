import { expect } from 'chai';
import { expectFlatView, FollowedManager } from './judge.js';
import { MACHINES } from './machines.js';
import { addressSpacesOf, memoryOf, type Recording } from './recording.js';
import { RunningQemu, whyNoQemu } from './running-qemu.js';

const reason = whyNoQemu();

describe('the memory maps of a running QEMU', function () {
  this.timeout(120_000);
  if (reason !== undefined) {
    it(`NOT RUN: ${reason}`);
    return;
  }
  for (const machine of MACHINES) {
    describe(machine.name, () => {
      let met: readonly Recording[] = [];

      before(async () => {
        await using qemu = await RunningQemu.start(machine);
        met = [await qemu.record(), ...(await qemu.runFirmware())];
      });

      it('each address space is the flat view of QEMU, to the byte, before, while and after firmware ran', async () => {
        expect(met[0]?.flat !== met.at(-1)?.flat).to.equal(machine.firmwareChangesMap);
        for (const recording of met) {
          for (const space of addressSpacesOf(recording)) {
            await expectFlatView(space);
          }
        }
      });

      it('targets hold the memory of the flat view, and are called for differences alone', async () => {
        await using followed = new FollowedManager();
        await followed.attach();
        for (const recording of met) {
          await followed.becomeAtOnce(memoryOf(recording));
        }
      });
    });
  }
});
