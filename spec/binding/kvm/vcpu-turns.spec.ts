import { expect } from 'chai';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { KvmExit, KvmVcpu } from '../../../binding/index.js';
import { eachWithMachine, PROGRAM } from '../../support/kvm-machine.js';

const RUNS_IN_A_TURN = 32;

/** Blocks this thread for a millisecond: the vCPU reaches its next exit meanwhile. */
const cell = new Int32Array(new SharedArrayBuffer(4));
function letItExit(): void {
  Atomics.wait(cell, 0, 0, 1);
}

/** Runs up to the next exit, which comes before the code that called `run` has returned: Node.js then handles it in the same turn. */
function runUntilExit(vcpu: KvmVcpu): Promise<KvmExit> {
  const exit = vcpu.run();
  letItExit();
  return exit;
}

/** The most exits between two turns of the event loop. */
async function mostInATurn(exits: number, next: () => Promise<unknown>): Promise<number> {
  let most = 0;
  let count = 0;
  let watching = true;
  const tick = (): void => {
    most = Math.max(most, count);
    count = 0;
    if (watching) {
      setImmediate(tick);
    }
  };
  setImmediate(tick);
  for (let done = 0; done < exits; done++) {
    await next();
    count += 1;
  }
  watching = false;
  return Math.max(most, count);
}

describe('the exits of a vCPU', () => {
  const bench = eachWithMachine();

  it('leave a turn to other work of the event loop after at most 32 exits, however fast they come', async () => {
    const { vcpu } = bench.machine;
    bench.machine.load(PROGRAM.outs);
    expect(await mostInATurn(600, () => runUntilExit(vcpu))).to.be.within(2, RUNS_IN_A_TURN);
  }).timeout(60_000);

  it('leave it in a long run of exits that are handled as they come', async () => {
    const { vcpu } = bench.machine;
    bench.machine.load(PROGRAM.outs);
    expect(await mostInATurn(20_000, () => vcpu.run())).to.be.within(1, RUNS_IN_A_TURN);
  }).timeout(600_000);

  it('are reported in order: while one waits for the next turn, there is no other run', async () => {
    const { vcpu } = bench.machine;
    await runBeforeLast();
    let settled = false;
    const probe = nextTurn().then(async () => ({ settled, run: await vcpu.run().catch((error: unknown) => error) }));
    const last = runUntilExit(vcpu).then((exit) => {
      settled = true;
      return exit;
    });
    const found = await probe;
    expect(found.settled).to.equal(false);
    expect(found.run).to.include({ code: 'EBUSY', request: 'KVM_RUN' });
    expect(await last).to.include({ kind: 'io', direction: 'out' });
    expect(await vcpu.run()).to.include({ kind: 'io', direction: 'out' });
  });

  it('are given also when the vCPU is closed while one waits for the next turn', async () => {
    const { vcpu } = bench.machine;
    await runBeforeLast();
    const closed = nextTurn().then(() => {
      vcpu.close();
    });
    const last = runUntilExit(vcpu);
    await closed;
    expect(await last).to.include({ kind: 'io', direction: 'out' });
  });

  /** All runs but the one whose exit waits for the next turn. */
  async function runBeforeLast(): Promise<void> {
    bench.machine.load(PROGRAM.outs);
    for (let done = 1; done < RUNS_IN_A_TURN; done++) {
      await bench.machine.vcpu.run();
    }
  }
});
