import { expect } from 'chai';
import { setImmediate as turn } from 'node:timers/promises';
import { DmaBatch, type KvmSlots, type Memfd } from '../../../binding/index.js';
import { eachWithMachine, farRange } from '../../support/kvm-machine.js';

const COUNT = 300;
const ALL = farRange(0, 4 * COUNT);

describe('memory slots that another thread deletes', () => {
  const bench = eachWithMachine();
  let file: Memfd;

  beforeEach(() => {
    file = bench.machine.memfd(ALL.length);
  });

  /** Sets slots of one page, in one half of the range, each with memory of its own. Returns their errnos. */
  function setAll(slots: KvmSlots, half: number): readonly number[] {
    const batch = new DmaBatch(COUNT);
    for (let index = 0; index < COUNT; index++) {
      const page = 2 * (index + half * COUNT);
      batch.mapVa(farRange(page), bench.machine.hostVa(farRange(page), true, file, BigInt(page << 12)), true);
    }
    slots.run(batch);
    return Array.from({ length: COUNT }, (_, index) => batch.errnoAt(index));
  }

  function unmapAll(): DmaBatch {
    const batch = new DmaBatch(1);
    batch.unmap(ALL);
    return batch;
  }

  it('are not set again when the dirty log is switched meanwhile', async () => {
    const { slots } = bench.machine;
    for (let round = 0; round < 6; round++) {
      // A slot that the kernel still has, and this table has not, refuses another one with its number.
      expect(new Set(setAll(slots, round % 2)), `round ${round}`).to.deep.equal(new Set([0]));
      let isDone = false;
      const deleting = slots.runAsync(unmapAll()).finally(() => {
        isDone = true;
      });
      while (!isDone) {
        for (let times = 0; times < 20; times++) {
          slots.logDirtyPages(times % 2 === 0);
        }
        await turn();
      }
      await deleting;
      expect(slots.list().length, `round ${round}`).to.equal(1); // The RAM.
    }
  });

  it('are deleted once: a second delete at the same time is refused, and takes no slot that was set since', async () => {
    const { slots } = bench.machine;
    for (let round = 0; round < 4; round++) {
      setAll(slots, 0);
      const [first, second] = [unmapAll(), unmapAll()];
      const both = Promise.all([slots.runAsync(first), slots.runAsync(second)]);
      const set = setAll(slots, 1).filter((errno) => errno === 0).length;
      await both;
      expect([first.errnoAt(0), second.errnoAt(0)].filter((errno) => ![0, -16].includes(errno))).to.deep.equal([]);
      const rest = unmapAll();
      slots.run(rest);
      expect(rest.errnoAt(0)).to.equal(0);
      expect(set).to.be.greaterThan(0);
      expect(slots.list().length).to.equal(1);
    }
  });
});
