import { expect } from 'chai';
import { Memfd } from '../../../binding/index.js';
import { RegionManager } from '../../../streams/index.js';
import { openDescriptors } from '../../binding/support/descriptors.js';
import { eachWithBench, failure, held, pagesAt, TABLE } from './support/bench.js';
import { GET_FEATURES, SET_MEM_TABLE } from './support/fake-back-end.js';

describe('VhostUserTarget with a table of regions', () => {
  const bench = eachWithBench();

  it('sends all regions at each change: one table and one barrier a set', async () => {
    const { backEnd, target } = await bench.attached(TABLE);
    const manager = new RegionManager();
    await manager.attach(target);
    await bench.plug(manager, 0);
    const dimm = await bench.plug(manager, 4, 2);
    expect(held(backEnd)).to.deep.equal(['0x0-0x1000', '0x4000-0x6000']);
    expect(backEnd.takeRequests()).to.deep.equal([SET_MEM_TABLE, GET_FEATURES, SET_MEM_TABLE, GET_FEATURES]);
    await dimm.remove();
    expect(held(backEnd)).to.deep.equal(['0x0-0x1000']);
    expect(backEnd.takeRequests()).to.deep.equal([SET_MEM_TABLE, GET_FEATURES]);
  });

  it('sends one table for a batch', async () => {
    const { backEnd, target } = await bench.attached(TABLE);
    const requests = bench.requests(8);
    expect(await target.mapDmaBatch(requests)).to.equal(undefined);
    expect(held(backEnd)).to.have.length(8);
    expect(await target.unmapDmaBatch(requests.slice(0, 3).map(({ range }) => range))).to.equal(undefined);
    expect(held(backEnd)).to.have.length(5);
    expect(backEnd.takeRequests()).to.deep.equal([SET_MEM_TABLE, GET_FEATURES, SET_MEM_TABLE, GET_FEATURES]);
  });

  it('sends the files of memory whose Memfd is closed, and closes them in the end', async () => {
    const before = openDescriptors();
    const { backEnd, connection, target } = await bench.attached(TABLE);
    const first = Memfd.create('first', 4096n);
    await target.mapDma(bench.request(0, 1, { mappable: first }));
    first.close();
    const inode = backEnd.regions[0]?.inode;
    await target.mapDma(bench.request(2));
    expect(backEnd.regions.map((region) => region.inode)).to.include(inode);
    await target.unmapDma(pagesAt(2));
    expect(backEnd.regions.map((region) => region.inode)).to.deep.equal([inode]);
    connection.close();
    backEnd.close();
    bench.close();
    expect(openDescriptors()).to.equal(before);
  });

  it('never sends an empty table, which some back ends refuse', async () => {
    const { backEnd, target } = await bench.attached(TABLE);
    await target.mapDma(bench.request(0));
    await target.unmapDma(pagesAt(0));
    expect(backEnd.regions).to.have.length(1);
    expect(backEnd.regions[0]).to.include({ size: 4096n, gpa: (1n << 52n) - 4096n });
    expect(target.mappedRanges()).to.deep.equal([]);
    await target.mapDma(bench.request(3));
    expect(held(backEnd)).to.deep.equal(['0x3000-0x4000']);
  });

  it('keeps the table of before when the back end refuses one', async () => {
    const { backEnd, target } = await bench.attached(TABLE);
    await target.mapDma(bench.request(0));
    backEnd.failOnce(SET_MEM_TABLE, 1);
    const stop = await target.mapDmaBatch(bench.requests(3, 4));
    expect(stop?.done).to.equal(0);
    expect(stop?.error).to.include({ code: 'EIO', request: 'VHOST_USER_SET_MEM_TABLE' });
    expect((stop?.error as Error & { hint: string }).hint).to.contain('the 1 regions that it has, of 8');
    expect(held(backEnd)).to.deep.equal(['0x0-0x1000']);
    expect(target.mappedRanges().map(String)).to.deep.equal(['0x0-0x1000']);
    backEnd.failOnce(SET_MEM_TABLE, 1);
    expect(await failure(target.unmapDma(pagesAt(0)))).to.include({ code: 'EIO', request: 'VHOST_USER_SET_MEM_TABLE' });
    expect(target.mappedRanges().map(String)).to.deep.equal(['0x0-0x1000']);
    await target.unmapDma(pagesAt(0));
    expect(target.mappedRanges()).to.deep.equal([]);
  });

  it('works without any protocol features', async () => {
    const { backEnd, connection, target } = await bench.attached({ features: 1n << 32n });
    expect(connection).to.include({ features: 1n << 32n, protocolFeatures: 0n, maxSlots: undefined });
    await target.mapDma(bench.request(0));
    expect(held(backEnd)).to.deep.equal(['0x0-0x1000']);
    expect(backEnd.takeRequests()).to.deep.equal([SET_MEM_TABLE, GET_FEATURES]);
  });
});
