import { expect } from 'chai';
import { Subject, throwError, type Observable } from 'rxjs';
import { journalTarget } from '../../cli/replay/journal-target.js';
import type { TargetCall } from '../../targets/index.js';
import { DmaError, MemoryRange, type DmaMapRequest, type DmaTarget } from '../../streams/index.js';

const range = MemoryRange.of(0x1000, 0x5000);
const request: DmaMapRequest = { range, region: 'ram0', type: 'ram', writable: true, fileOffset: 0n };

describe('journalTarget', () => {
  let calls: TargetCall[];
  beforeEach(() => {
    calls = [];
  });

  function journalled(target: Partial<DmaTarget>, options?: { readonly needsVa: boolean }): DmaTarget {
    const whole: DmaTarget = { name: 't', mapDma: () => undefined, unmapDma: () => undefined, ...target };
    return journalTarget(whole, (call) => calls.push(call), options);
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
    expect(calls[0]?.failed).to.equal('ERR_TARGET_FAILED');
  });

  it('needs what the target needs, and addresses where they are asked for', () => {
    const { needsVa, needsFd, unmapShape } = journalled({ needsVa: true, needsFd: true, unmapShape: 'exact' });
    expect([needsVa, needsFd, unmapShape]).to.deep.equal([true, true, 'exact']);
    const plain = journalled({});
    expect([plain.needsVa, plain.needsFd, plain.unmapShape]).to.deep.equal([undefined, undefined, undefined]);
    expect(journalled({}, { needsVa: true }).needsVa).to.equal(true);
  });

  it('tells of a call that returned an observable once that has completed, or has failed', () => {
    const mapped$ = new Subject<void>();
    const error = new DmaError('no', { code: 'EINVAL' });
    const target = journalled({ mapDma: () => mapped$, unmapDma: () => throwError(() => error) });
    (target.mapDma(request) as Observable<unknown>).subscribe();
    expect(calls).to.deep.equal([]);
    mapped$.complete();
    let thrown: unknown;
    (target.unmapDma(range) as Observable<unknown>).subscribe({ error: (late: unknown) => (thrown = late) });
    expect(thrown).to.equal(error);
    expect(calls).to.deep.equal([
      { op: 'map', target: 't', request },
      { op: 'unmap', target: 't', range, failed: 'EINVAL' },
    ]);
  });

  it('has what the target has to be asked, and gets each call of a set by itself, in order', () => {
    const target = journalled({
      concurrent: true,
      mapDmaBatch: () => undefined,
      unmapDmaBatch: () => undefined,
      mappedRanges: () => [range],
      mappedCount: () => 1,
    });
    expect(target.mappedRanges?.()).to.deep.equal([range]);
    expect(target.mappedCount?.()).to.equal(1);
    expect([target.concurrent, target.mapDmaBatch, target.unmapDmaBatch]).to.deep.equal([
      undefined,
      undefined,
      undefined,
    ]);
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
