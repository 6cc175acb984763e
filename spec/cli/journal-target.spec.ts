import { expect } from 'chai';
import { JournalTarget } from '../../cli/replay/journal-target.js';
import type { TargetCall } from '../../targets/index.js';
import { DmaError, MemoryRange, type DmaMapRequest, type DmaTarget } from '../../streams/index.js';

const range = MemoryRange.of(0x1000, 0x5000);
const request: DmaMapRequest = { range, region: 'ram0', type: 'ram', writable: true, fileOffset: 0n };

describe('JournalTarget', () => {
  let calls: TargetCall[];
  beforeEach(() => {
    calls = [];
  });

  function journalled(target: Partial<DmaTarget>, options?: { readonly needsVa: boolean }): JournalTarget {
    const whole: DmaTarget = { name: 't', mapDma: () => undefined, unmapDma: () => undefined, ...target };
    return new JournalTarget(whole, (call) => calls.push(call), options);
  }

  it('tells of a call once the target has answered, and hands the answer on', async () => {
    let answer = (): void => undefined;
    const slow = journalled({ mapDma: () => new Promise<void>((resolve) => (answer = resolve)) });
    const mapping = slow.mapDma(request);
    expect(calls).to.deep.equal([]);
    answer();
    await mapping;
    expect(calls).to.deep.equal([{ op: 'map', target: 't', request }]);
    expect(slow.unmapDma(range)).to.equal(undefined);
    expect(calls[1]).to.deep.equal({ op: 'unmap', target: 't', range });
  });

  it('tells of a call that failed, thrown or rejected, with its code', async () => {
    const error = new DmaError('no', { code: 'EINVAL' });
    const target = journalled({
      mapDma: () => {
        throw error;
      },
      unmapDma: () => Promise.reject(error),
    });
    expect(() => target.mapDma(request)).to.throw(error);
    let rejection: unknown;
    await Promise.resolve(target.unmapDma(range)).catch((thrown: unknown) => {
      rejection = thrown;
    });
    expect(rejection).to.equal(error);
    expect(calls).to.deep.equal([
      { op: 'map', target: 't', request, failed: 'EINVAL' },
      { op: 'unmap', target: 't', range, failed: 'EINVAL' },
    ]);
  });

  it('has a code for an error that has none', () => {
    const target = journalled({
      mapDma: () => {
        throw new Error('no code');
      },
    });
    expect(() => target.mapDma(request)).to.throw('no code');
    expect(calls[0]?.failed).to.equal('ERR_TARGET');
  });

  it('needs what the target needs, and addresses where they are asked for', () => {
    const { needsVa, needsFd, unmapShape } = journalled({ needsVa: true, needsFd: true, unmapShape: 'exact' });
    expect([needsVa, needsFd, unmapShape]).to.deep.equal([true, true, 'exact']);
    const plain = journalled({});
    expect([plain.needsVa, plain.needsFd, plain.unmapShape]).to.deep.equal([false, false, 'superset']);
    expect(journalled({}, { needsVa: true }).needsVa).to.equal(true);
  });

  it('lets a target look at whole sets, where it does, and tells of no call', async () => {
    const seen: (readonly DmaMapRequest[])[] = [];
    const looking = journalled({ checkMaps: (requests) => void seen.push(requests) });
    await looking.checkMaps?.([request]);
    expect(seen).to.deep.equal([[request]]);
    expect(calls).to.deep.equal([]);
    expect(journalled({}).checkMaps).to.equal(undefined);
  });
});
