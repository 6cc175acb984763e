import { expect } from 'chai';
import type { DmaDevice } from '../../../cli/replay/dma-device.js';
import { replay } from '../../../cli/replay/replay.js';
import type { ReplayObserver, ReplayReport } from '../../../cli/replay/report.js';
import { chooseTargets, type TargetChoice } from '../../../cli/replay/target-choice.js';
import { readTrace } from '../../../cli/trace/read-trace.js';
import { commitsAt, TemporaryTraces } from '../support/command.js';

const COMMITS = 4;

describe('a replay whose signal is aborted', () => {
  let traces: TemporaryTraces;
  let stop: AbortController;
  /** Calls of targets and devices, and what was closed, in their order. */
  let done: string[];
  before(() => {
    traces = new TemporaryTraces();
  });
  after(() => {
    traces[Symbol.dispose]();
  });
  beforeEach(() => {
    stop = new AbortController();
    done = [];
  });

  const [soft] = chooseTargets(['soft:exact']);

  /** A software target that notes when it is closed, and whose device is changed. */
  const target = (change: (device: DmaDevice) => Partial<DmaDevice>): TargetChoice => {
    if (soft === undefined) {
      throw new TypeError('no target');
    }
    const attach: TargetChoice['attach'] = async (manager, wrap) => {
      const attached = await soft.attach(manager, wrap);
      const device = attached.device;
      if (device === undefined) {
        throw new TypeError('no device');
      }
      const changed: DmaDevice = {
        name: device.name,
        read: (iova, length) => device.read(iova, length),
        write: (iova, data) => device.write(iova, data),
        ...change(device),
      };
      const close = (): Promise<void> => {
        done.push('closed');
        return Promise.resolve();
      };
      return { ...attached, device: changed, close };
    };
    return { ...soft, attach };
  };

  const run = async (
    change: (device: DmaDevice) => Partial<DmaDevice>,
    observed: Partial<ReplayObserver> = {},
  ): Promise<ReplayReport> => {
    const trace = await readTrace(traces.write('trace.jsonl', commitsAt(...Array<number>(COMMITS).fill(0))));
    const observer: ReplayObserver = {
      started: () => undefined,
      called: ({ op }) => done.push(op),
      committed: () => undefined,
      warned: () => undefined,
      ...observed,
    };
    return replay(trace, { targets: [target(change)], speed: 'max', signal: stop.signal }, observer);
  };

  it('ends between two commits, unmaps, which is observed and counted, and closes the targets', async () => {
    const report = await run(() => ({}), {
      committed: ({ index }) => {
        if (index === 1) {
          stop.abort();
        }
      },
    });
    expect(report.interrupted).to.deep.equal({ commits: 2, during: 'commits' });
    expect(report.dma).to.equal(undefined);
    expect(report.targets[0]).to.include({ maps: 2, unmaps: 2, failed: 0 });
    expect(done).to.deep.equal(['map', 'map', 'unmap', 'unmap', 'closed']);
  });

  it('maps nothing when that was before its first commit', async () => {
    stop.abort();
    const report = await run(() => ({}));
    expect(report.interrupted).to.deep.equal({ commits: 0, during: 'commits' });
    expect(done).to.deep.equal(['closed']);
  });

  it('lets signals in between commits that wait for nothing', async () => {
    const report = await run(() => ({}), {
      started: () => {
        setImmediate(() => {
          stop.abort();
        });
      },
      committed: () => {
        workFor(30);
      },
    });
    expect(report.interrupted).to.deep.equal({ commits: 1, during: 'commits' });
  });

  it('ends between two accesses of the DMA check, and reports those that were made', async () => {
    let writes = 0;
    const report = await run((device) => ({
      write: (iova, data) => {
        writes++;
        if (writes === 5) {
          stop.abort();
        }
        return device.write(iova, data);
      },
    }));
    expect(report.interrupted).to.deep.equal({ commits: COMMITS, during: 'DMA check' });
    expect(writes).to.equal(5);
    expect(report.dma).to.include({ checked: 0, failed: 0, interrupted: true });
    expect(done.slice(COMMITS)).to.deep.equal([...Array<string>(COMMITS).fill('unmap'), 'closed']);
  });

  it('lets signals in between accesses that wait for nothing', async () => {
    let reads = 0;
    const report = await run((device) => ({
      read: (iova, length) => {
        reads++;
        if (reads === 1) {
          setImmediate(() => {
            stop.abort();
          });
        }
        workFor(30);
        return device.read(iova, length);
      },
    }));
    expect(report.interrupted).to.deep.equal({ commits: COMMITS, during: 'DMA check' });
    expect(reads).to.equal(1);
  });

  it('stops hardware that does DMA, before anything is unmapped', async () => {
    await run((device) => ({
      hardware: {
        address: '0000:00:04.0',
        mostMappings: 2,
        start: () => {
          done.push('start');
          return Promise.resolve();
        },
        stop: () => {
          done.push('stop');
          return Promise.resolve();
        },
      },
      write: (iova, data) => {
        done.push('write');
        stop.abort();
        return device.write(iova, data);
      },
    }));
    const unmaps = Array<string>(COMMITS).fill('unmap');
    expect(done.slice(COMMITS)).to.deep.equal(['start', 'write', 'stop', ...unmaps, 'closed']);
  });

  it('is complete when that comes after the last access', async () => {
    const report = await run((device) => ({
      read: (iova, length) => {
        if (iova === BigInt(COMMITS * 0x100000 - 16)) {
          // The last that is read.
          setImmediate(() => {
            stop.abort();
          });
        }
        return device.read(iova, length);
      },
    }));
    expect(report.interrupted).to.equal(undefined);
    expect(report.dma).to.include({ failed: 0 });
    expect(done).to.not.include('unmap');
  });
});

/** Keeps the event loop waiting. */
function workFor(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end) {
    // Nothing else runs.
  }
}
