import { expect } from 'chai';
import { RegionManager, type DmaError } from '../../../streams/index.js';
import { eachWithBench, failure, held, pagesAt, PAGES } from './support/bench.js';
import { ADD_MEM_REG, GET_FEATURES, REM_MEM_REG } from './support/fake-back-end.js';

/** In pages. */
const GIB = 1 << 18;

describe('VhostUserTarget with memory slots', () => {
  const bench = eachWithBench();

  it('shares each region with its file, its offset and a token of its own', async () => {
    const { backEnd, target } = await bench.attached();
    const mappable = bench.memfd(8);
    await target.mapDma(bench.request(16, 2, { mappable, fileOffset: 2n * PAGES }));
    await target.mapDma(bench.request(0, 1, { mappable }));
    const base = 1n << 44n;
    expect(backEnd.regions).to.have.length(2);
    expect(backEnd.regions[0]).to.include({ gpa: 0n, size: PAGES, userAddress: base, offset: 0n });
    expect(backEnd.regions[1]).to.include({ gpa: 0x10000n, size: 2n * PAGES, userAddress: base + 0x10000n });
    expect(backEnd.regions[1]).to.include({ offset: 2n * PAGES, inode: backEnd.regions[0]?.inode });
    expect(target.userAddressOf(0x11234n)).to.equal(base + 0x11234n);
    expect(target.userAddressOf(0x1000n)).to.equal(undefined);
  });

  it('sends addresses and offsets of more than 32 bits', async () => {
    const { backEnd, target } = await bench.attached();
    const mappable = bench.memfd(1 << 21);
    const startPage = 2 ** 40 + 3;
    const fileOffset = (1n << 33n) - PAGES;
    await target.mapDma(bench.request(startPage, 1, { mappable, fileOffset }));
    const gpa = BigInt(startPage) * PAGES;
    expect(backEnd.regions[0]).to.include({ gpa, userAddress: gpa + (1n << 44n), offset: fileOffset });
    await target.unmapDma(pagesAt(startPage));
    expect(held(backEnd)).to.deep.equal([]);
  });

  it('sends one barrier for a set of 500 regions of 1 GiB, after the last of them', async () => {
    const { backEnd, target } = await bench.attached({ slots: 509 });
    const manager = new RegionManager();
    await manager.attach(target);
    const region = await manager.addRegion({ name: 'ram', range: pagesAt(0, 1000 * GIB), type: 'ram' });
    const mappable = bench.memfd(GIB);
    await manager.transaction((edit) => {
      for (let index = 0; index < 500; index++) {
        const rangeInRegion = pagesAt(2 * index * GIB, GIB);
        edit.addMapping(region, { rangeInRegion, backing: { mappable, fileOffset: 0n }, writable: true });
      }
      edit.map(region, { writable: true });
    });
    expect(backEnd.regions).to.have.length(500);
    expect(backEnd.takeRequests()).to.deep.equal([...adds(500), GET_FEATURES]);
    await region.unmap();
    expect(backEnd.takeRequests()).to.deep.equal([...Array<number>(500).fill(REM_MEM_REG), GET_FEATURES]);
  });

  it('is gone where the back end ends before the barrier of a set', async () => {
    const { backEnd, target } = await bench.attached();
    const manager = new RegionManager({ onWarning: () => undefined });
    const attachment = await manager.attach(target);
    backEnd.failOnce(ADD_MEM_REG, 'ack, then hang up');
    const pages = 1 << 16;
    const region = await manager.addRegion({ name: 'ram', range: pagesAt(0, 4 * pages), type: 'ram' });
    await region.map({ writable: true });
    const mappable = bench.memfd(pages);
    const set = manager.transaction((edit) => {
      for (let index = 0; index < 2; index++) {
        const rangeInRegion = pagesAt(2 * index * pages, pages);
        edit.addMapping(region, { rangeInRegion, backing: { mappable, fileOffset: 0n }, writable: true });
      }
    });
    expect(await failure(set)).to.have.nested.property('cause.code', 'ERR_TARGET_GONE');
    expect(attachment.phase).to.equal('gone');
  });

  it('lets the event loop turn while the back end does not read a set', async () => {
    const { backEnd, target } = await bench.attached({ slots: 509 });
    let isShared = false;
    backEnd.pause();
    const sharing = target.mapDmaBatch(bench.requests(500)).then(() => (isShared = true));
    for (let turn = 0; turn < 1000; turn++) {
      await new Promise((settle) => setImmediate(settle));
    }
    expect(isShared).to.equal(false);
    expect(backEnd.takeRequests()).to.deep.equal([]);
    backEnd.resume();
    await sharing;
    expect(backEnd.takeRequests()).to.deep.equal([...adds(500), GET_FEATURES]);
  });

  it('sends one barrier for a set that removes and adds', async () => {
    const { backEnd, target } = await bench.attached();
    const manager = new RegionManager();
    await manager.attach(target);
    const before = await bench.plug(manager, 0, 4);
    backEnd.takeRequests();
    const other = await manager.addRegion({ name: 'other', range: pagesAt(8), type: 'ram' });
    await other.map({ writable: true });
    await manager.transaction((edit) => {
      edit.unmap(before);
      edit.addMapping(other, {
        rangeInRegion: pagesAt(0),
        backing: { mappable: bench.memfd(), fileOffset: 0n },
        writable: true,
      });
    });
    expect(backEnd.takeRequests()).to.deep.equal([REM_MEM_REG, ADD_MEM_REG, GET_FEATURES]);
  });

  it('stops a batch at a region that the back end refuses, and takes back those after it', async () => {
    const { backEnd, target } = await bench.attached({ refusal: 1 });
    const requests = bench.requests(5);
    backEnd.failOnce(ADD_MEM_REG, 1, 2);
    const stop = await target.mapDmaBatch(requests);
    expect(stop?.done).to.equal(2);
    expect(stop?.error).to.include({ code: 'EIO', request: 'VHOST_USER_ADD_MEM_REG', range: requests[2]?.range });
    expect((stop?.error as Error & { hint: string }).hint).to.contain('the 2 regions that it has, of 32');
    expect(held(backEnd)).to.deep.equal(['0x0-0x1000', '0x2000-0x3000']);
    expect(target.mappedRanges().map(String)).to.deep.equal(held(backEnd));
    // The number of regions is right as well: 30 more fit.
    expect(await target.mapDmaBatch(bench.requests(30, 100))).to.equal(undefined);
  });

  it('is gone when the back end refuses to take back what it has just added', async () => {
    const { backEnd, target } = await bench.attached({
      answer: ({ request }) => (request === REM_MEM_REG ? 1 : undefined),
    });
    backEnd.failOnce(ADD_MEM_REG, 1, 1);
    expect(await failure(target.mapDmaBatch(bench.requests(3)))).to.include({ code: 'ERR_TARGET_GONE' });
  });

  it('keeps what the back end refuses to remove', async () => {
    const { backEnd, target } = await bench.attached();
    const requests = bench.requests(4);
    await target.mapDmaBatch(requests);
    backEnd.failOnce(REM_MEM_REG, 7, 1);
    const stop = await target.unmapDmaBatch(requests.map(({ range }) => range));
    expect(stop?.done).to.equal(1);
    expect(stop?.error).to.include({ code: 'EIO', request: 'VHOST_USER_REM_MEM_REG', range: requests[1]?.range });
    expect((stop?.error as DmaError).hint)
      .to.contain('still has the memory')
      .and.not.to.contain('could not map');
    expect(held(backEnd)).to.deep.equal(['0x2000-0x3000']);
    expect(target.mappedRanges().map(String)).to.deep.equal(held(backEnd));
    expect(await target.unmapDmaBatch(requests.slice(1).map(({ range }) => range))).to.equal(undefined);
    expect(held(backEnd)).to.deep.equal([]);
  });

  it('needs a barrier for each batch where the back end sends no acks', async () => {
    const { backEnd, target } = await bench.attached({ protocolFeatures: 1n << 15n });
    await target.mapDmaBatch(bench.requests(3));
    expect(held(backEnd)).to.have.length(3);
    target.beginSet();
    await target.unmapDma(pagesAt(0));
    expect(held(backEnd)).to.have.length(2);
    expect(target.endSet()).to.equal(undefined);
    expect(backEnd.received.filter(({ needReply }) => needReply)).to.deep.equal([]);
    expect(backEnd.takeRequests()).to.deep.equal([...adds(3), GET_FEATURES, REM_MEM_REG, GET_FEATURES]);
  });
});

function adds(count: number): readonly number[] {
  return Array<number>(count).fill(ADD_MEM_REG);
}
