import { expect } from 'chai';
import { RegionManager, type MemoryRange } from '../../../streams/index.js';
import { VhostUserTarget } from '../../../targets/index.js';
import { eachWithBench, failure, held, pagesAt, TABLE } from './support/bench.js';
import { ADD_MEM_REG, GET_FEATURES, REM_MEM_REG } from './support/fake-back-end.js';

describe('what VhostUserTarget shares', () => {
  const bench = eachWithBench();

  for (const [mode, options] of Object.entries({ slots: {}, 'a table': TABLE })) {
    it(`leaves out read-only memory, which counts as mapped (${mode})`, async () => {
      const { backEnd, target } = await bench.attached(options);
      const manager = new RegionManager();
      const attachment = await manager.attach(target);
      const rom = await bench.plug(manager, 0, 2, false);
      expect(backEnd.takeRequests()).to.deep.equal([]);
      expect(target.mappedRanges().map(String)).to.deep.equal(['0x0-0x2000']);
      expect(target.userAddressOf(0n)).to.equal(undefined);
      expect(await attachment.verify()).to.deep.equal([]);
      expect(
        (await manager.attach(new VhostUserTarget(await bench.connect((await bench.backEnd(options)).path)))).ledger(),
      ).to.have.length(1);
      await rom.remove();
      expect(target.mappedRanges()).to.deep.equal([]);
      expect(backEnd.takeRequests()).to.deep.equal([]);
    });
  }

  it('sends a set with and without read-only memory by one barrier', async () => {
    const { backEnd, target } = await bench.attached();
    const requests = [0, 2, 4, 6].map((page, index) => bench.request(page, 1, { writable: index % 2 === 1 }));
    expect(await target.mapDmaBatch(requests)).to.equal(undefined);
    expect(held(backEnd)).to.deep.equal(['0x2000-0x3000', '0x6000-0x7000']);
    expect(backEnd.takeRequests()).to.deep.equal([ADD_MEM_REG, ADD_MEM_REG, GET_FEATURES]);
    expect(await target.unmapDmaBatch(requests.map(({ range }) => range))).to.equal(undefined);
    expect(backEnd.takeRequests()).to.deep.equal([REM_MEM_REG, REM_MEM_REG, GET_FEATURES]);
  });

  it('counts what is left out where a batch stops', async () => {
    const { backEnd, target } = await bench.attached();
    const requests = [0, 2, 4, 6, 8].map((page, index) => bench.request(page, 1, { writable: index % 2 === 1 }));
    backEnd.failOnce(ADD_MEM_REG, 1, 1);
    expect(await target.mapDmaBatch(requests)).to.include({ done: 3 });
    expect(target.mappedRanges().map(String)).to.deep.equal(['0x0-0x1000', '0x2000-0x3000', '0x4000-0x5000']);
    backEnd.failOnce(REM_MEM_REG, 1);
    expect(await target.unmapDmaBatch(requests.map(({ range }) => range))).to.include({ done: 1 });
    expect(target.mappedRanges().map(String)).to.deep.equal(['0x2000-0x3000']);
  });

  it('shares read-only memory for writing on request', async () => {
    const { backEnd, target } = await bench.attached({}, { readOnly: 'share' });
    await target.mapDma(bench.request(0, 1, { writable: false }));
    expect(held(backEnd)).to.deep.equal(['0x0-0x1000']);
  });

  it('skips memory of devices, and shares what lies in a file on request', async () => {
    for (const [device, expected] of [
      ['skip', []],
      ['share', ['0x4000-0x5000']],
    ] as const) {
      const { backEnd, target } = await bench.attached({}, { device });
      const manager = new RegionManager();
      await manager.attach(target);
      const bar = await manager.addRegion({ name: 'bar', range: pagesAt(4), type: 'device' });
      await bar.addMapping({
        rangeInRegion: pagesAt(0),
        backing: { mappable: bench.memfd(), fileOffset: 0n },
        writable: true,
      });
      await bar.map({ writable: true });
      expect(held(backEnd)).to.deep.equal(expected);
    }
  });

  it('refuses options that do not exist', async () => {
    const { connection } = await bench.attached();
    const make = (options: object) => (): unknown => new VhostUserTarget(connection, options);
    expect(make({ readOnly: 'maybe' })).to.throw(TypeError, 'readOnly');
    expect(make({ device: true })).to.throw(TypeError, 'device');
    expect(make({ name: 5 })).to.throw(TypeError, 'name');
    expect(make({ beforeUnmap: 'now' })).to.throw(TypeError, 'beforeUnmap');
    expect(() => new VhostUserTarget({} as never)).to.throw(TypeError, 'VhostUserConnection.connect');
  });
});

describe('beforeUnmap of VhostUserTarget', () => {
  const bench = eachWithBench();

  it('is awaited before regions are removed, with their ranges', async () => {
    const told: (readonly MemoryRange[])[] = [];
    let resume = (): void => undefined;
    const beforeUnmap = (ranges: readonly MemoryRange[]): Promise<void> => {
      told.push(ranges);
      return new Promise((resolve) => {
        resume = resolve;
      });
    };
    const { backEnd, connection, target } = await bench.attached({}, { beforeUnmap });
    await target.mapDmaBatch([bench.request(0), bench.request(2, 1, { writable: false }), bench.request(4)]);
    backEnd.takeRequests();
    const unmapping = target.unmapDmaBatch([pagesAt(0), pagesAt(2), pagesAt(4)]);
    await connection.request(GET_FEATURES);
    expect(backEnd.takeRequests()).to.deep.equal([GET_FEATURES]);
    resume();
    expect(await unmapping).to.equal(undefined);
    expect(told.map(String)).to.deep.equal(['0x0-0x1000,0x4000-0x5000']);
    expect(held(backEnd)).to.deep.equal([]);
  });

  it('is not called where the back end has nothing to remove', async () => {
    let calls = 0;
    const beforeUnmap = (): void => void (calls += 1);
    const { target } = await bench.attached({}, { beforeUnmap });
    await target.mapDma(bench.request(2, 1, { writable: false }));
    await target.unmapDma(pagesAt(2));
    await target.unmapDma(pagesAt(4));
    expect(calls).to.equal(0);
  });

  for (const how of ['throws', 'rejects']) {
    it(`leaves everything as it was when it ${how}, and is called once for a set`, async () => {
      let calls = 0;
      const fault = new Error('the queues do not stop');
      const beforeUnmap = (): Promise<void> => {
        calls += 1;
        if (how === 'throws') {
          throw fault;
        }
        return Promise.reject(fault);
      };
      const { backEnd, target } = await bench.attached({}, { beforeUnmap });
      const manager = new RegionManager();
      const attachment = await manager.attach(target);
      const ram = await manager.addRegion({ name: 'ram', range: pagesAt(0, 8), type: 'ram' });
      await ram.map({ writable: true });
      for (const page of [0, 2, 4]) {
        const backing = { mappable: bench.memfd(), fileOffset: 0n };
        await ram.addMapping({ rangeInRegion: pagesAt(page), backing, writable: true });
      }
      backEnd.takeRequests();
      const error = await failure(ram.unmap());
      expect(error.message).to.contain('the queues do not stop');
      expect(calls).to.equal(1);
      expect(backEnd.takeRequests()).to.deep.equal([]);
      expect(held(backEnd)).to.have.length(3);
      expect((await attachment.verify()).map(({ fault }) => fault)).to.deep.equal(['stuck', 'stuck', 'stuck']);
      await failure(attachment.retryStuck());
      expect(calls).to.equal(2);
    });
  }
});
