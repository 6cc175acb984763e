import { expect } from 'chai';
import type { AttachTarget } from '../../../cli/replay/attached-target.js';
import { bytesToPin, checkMemory } from '../../../cli/replay/memory-need.js';
import { replay } from '../../../cli/replay/replay.js';
import { chooseTargets } from '../../../cli/replay/target-choice.js';
import { readTrace } from '../../../cli/trace/read-trace.js';
import type { Trace } from '../../../cli/trace/trace.js';
import { line, PACKAGE, TemporaryTraces } from '../support/command.js';

const MIB = 1n << 20n;

describe('memory that a real IOMMU pins', () => {
  let traces: TemporaryTraces;
  before(() => {
    traces = new TemporaryTraces();
  });
  after(() => {
    traces[Symbol.dispose]();
  });

  const traceOf = (...lines: readonly object[]): Promise<Trace> => readTrace(traces.write('trace.jsonl', lines));

  describe('bytesToPin', () => {
    it('counts what several sections show once, and what none shows not at all', async () => {
      const aliases = await traceOf(
        line(),
        line({ start: '0x200000', end: '0x380000', offset: '0x80000' }),
        line({ start: '0x10000000', end: '0x10100000', offset: '0x40000000' }),
      );
      expect(bytesToPin(aliases)).to.equal(3n * MIB);
    });

    it('counts the most that is there at a time: the blocks of one commit together, and those that are gone no more', async () => {
      const changing = await traceOf(
        line(),
        line({ commit: 1, op: 'remove' }),
        line({ commit: 1, name: 'second', end: '0x200000' }),
        line({ commit: 2, op: 'remove', name: 'second', end: '0x200000' }),
        line({ commit: 3, name: 'third' }),
      );
      expect(bytesToPin(changing)).to.equal(3n * MIB);
    });

    it('counts a block that comes back all the time: its memory stays', async () => {
      const back = await traceOf(
        line(),
        line({ commit: 1, op: 'remove' }),
        line({ commit: 2, name: 'second' }),
        line({ commit: 3, op: 'remove', name: 'second' }),
        line({ commit: 4 }),
      );
      expect(bytesToPin(back)).to.equal(2n * MIB);
    });
  });

  it('is refused where there is less: what is needed, what there is, what to do', async () => {
    const trace = await traceOf(line({ end: '0x80000000' }));
    for (const [headroom, message, hint] of [
      [
        { bytes: 1n << 30n },
        /takes 2\.02 GiB, and this machine has 1 GiB left; nothing was begun/,
        /more memory.*-m 4G/,
      ],
      [{ bytes: -5n }, /this machine has 0 B left/, /smaller trace/],
      [
        { bytes: 2n << 30n, cgroup: '/sys/fs/cgroup/x' },
        /the memory cgroup \/sys\/fs\/cgroup\/x has 2 GiB left/,
        /memory\.max/,
      ],
    ] as const) {
      expect(() => {
        checkMemory(trace, headroom);
      })
        .to.throw(message)
        .that.satisfies(({ code, hint: told }: { code: string; hint: string }) => code === 'ENOMEM' && hint.test(told));
    }
  });

  it('is not refused where there is enough, nor where nobody knows', async () => {
    const trace = await traceOf(line({ end: '0x80000000' }));
    checkMemory(trace, { bytes: 2100n * MIB });
    checkMemory(trace, undefined);
  });

  it('is looked at before a target is attached, and at real IOMMUs alone', async () => {
    const trace = await readTrace(`${PACKAGE}examples/traces/q35-boot.jsonl`);
    let started = 0;
    const observer = {
      started: () => started++,
      called: () => undefined,
      committed: () => undefined,
      warned: () => undefined,
    };
    const headroom = (): { bytes: bigint } => ({ bytes: 2000n * MIB });
    let attached = 0;
    const targets = chooseTargets(['soft']).map((choice) => ({
      ...choice,
      attach: (...args: Parameters<AttachTarget>) => {
        attached++;
        return choice.attach(...args);
      },
    }));
    const asReal = targets.map((choice) => ({ ...choice, kind: 'real' as const }));
    let refused: unknown;
    await replay(trace, { targets: asReal, speed: 'max', headroom }, observer).catch(
      (error: unknown) => (refused = error),
    );
    expect(refused)
      .to.be.instanceOf(Error)
      .with.property('message')
      .that.matches(/takes 2\.79 GiB/);
    expect([attached, started]).to.deep.equal([0, 0]);

    const { failures } = await replay(trace, { targets, speed: 'max', headroom }, observer);
    expect(failures).to.deep.equal([]);
    expect([attached, started]).to.deep.equal([1, 1]);
  });
});
