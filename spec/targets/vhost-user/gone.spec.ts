import { expect } from 'chai';
import { lastValueFrom, toArray } from 'rxjs';
import { DmaMapError, RegionManager, type DmaError } from '../../../streams/index.js';
import { VhostUserTarget } from '../../../targets/index.js';
import { RecordingTarget } from '../../../testing/index.js';
import { eachWithBench, failure, held, pagesAt, TABLE } from './support/bench.js';
import { ADD_MEM_REG, GET_FEATURES, REM_MEM_REG, SET_MEM_TABLE, type Answer } from './support/fake-back-end.js';

const SET_VRING_ENABLE = 18;

/** Ways to refuse memory that end the connection. */
const ENDS = ['hang up', 'ack, then hang up'] as const satisfies readonly Answer[];

const MODES = [
  ['slots', {}, ADD_MEM_REG],
  ['a table', TABLE, SET_MEM_TABLE],
] as const;

describe('VhostUserTarget whose back end goes', () => {
  const bench = eachWithBench();

  for (const [mode, options, add] of MODES) {
    for (const end of ENDS) {
      it(`undoes a set elsewhere, with ${mode}: ${end}`, async () => {
        const { backEnd, target } = await bench.attached(options);
        const manager = new RegionManager();
        const beside = new RecordingTarget({ needsFd: true });
        await manager.attach(beside);
        await manager.attach(target);
        await bench.plug(manager, 0);
        const ram = await manager.addRegion({ name: 'ram', range: pagesAt(8, 8), type: 'ram' });
        await ram.map({ writable: true });
        backEnd.failOnce(add, end, add === ADD_MEM_REG ? 2 : 0);
        const error = await failure(
          manager.transaction((edit) => {
            for (const page of [0, 2, 4, 6]) {
              const backing = { mappable: bench.memfd(), fileOffset: 0n };
              edit.addMapping(ram, { rangeInRegion: pagesAt(page), backing, writable: true });
            }
          }),
        );
        expect(error).to.be.instanceOf(DmaMapError);
        const { cause } = error as { cause?: DmaError };
        expect(cause).to.include({ code: 'ERR_TARGET_GONE', target: 'disk' });
        const request = add === ADD_MEM_REG ? 'VHOST_USER_ADD_MEM_REG' : 'VHOST_USER_SET_MEM_TABLE';
        expect(cause?.message).to.contain(`closed the connection after ${request}`);
        expect(cause?.hint).to.contain('Connect again');
        expect(cause?.cause).to.include({ code: 'ECONNRESET' });
        expect(beside.held().map(String)).to.deep.equal(['0x0-0x1000']);
      });
    }
  }

  for (const [mode, options, add] of MODES) {
    it(`fails a map that is acknowledged before the connection ends: an ack is no proof (${mode})`, async () => {
      const { backEnd, target } = await bench.attached(options);
      backEnd.failOnce(add, 'ack, then hang up');
      expect(await failure(target.mapDma(bench.request(0)))).to.include({ code: 'ERR_TARGET_GONE' });
    });
  }

  it('fails every call from then on with ERR_TARGET_GONE', async () => {
    const { backEnd, connection, target } = await bench.attached();
    const requests = bench.requests(3);
    await target.mapDmaBatch(requests);
    target.beginSet();
    await target.unmapDma(pagesAt(0));
    const closed = lastValueFrom(connection.closed$);
    backEnd.die();
    expect(await closed).to.include({ code: 'ERR_TARGET_GONE' });
    const calls: readonly (() => unknown)[] = [
      () => target.endSet(),
      () => target.mappedRanges(),
      () => target.checkMaps(requests),
      () => target.mapDma(bench.request(9)),
      () => target.mapDmaBatch(requests),
      () => target.unmapDma(pagesAt(0)),
      () => target.unmapDmaBatch([pagesAt(0), pagesAt(2)]),
      () => connection.request(GET_FEATURES),
    ];
    for (const call of calls) {
      expect(await failure(call)).to.include({ code: 'ERR_TARGET_GONE', target: 'disk' });
    }
    expect(target.userAddressOf(0x2000n)).to.equal(undefined);
    expect(await lastValueFrom(connection.closed$.pipe(toArray()))).to.have.length(1);
  });

  it('fails all that waits for an answer', async () => {
    const { backEnd, connection, target } = await bench.attached({
      answer: ({ request }) => (request === REM_MEM_REG ? 'silence' : undefined),
    });
    await target.mapDma(bench.request(0));
    const open = [target.unmapDma(pagesAt(0)), connection.request(GET_FEATURES), connection.request(GET_FEATURES)];
    const failures = Promise.all(open.map((one) => failure(one)));
    while (!backEnd.received.some(({ request }) => request === REM_MEM_REG)) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    backEnd.die();
    expect((await failures).map(({ code }) => code)).to.deep.equal(Array(3).fill('ERR_TARGET_GONE'));
  });

  it('says that the back end does not keep to the protocol, once it has agreed on one', async () => {
    const { connection } = await bench.attached({
      answer: ({ request }) => (request === SET_VRING_ENABLE ? Buffer.alloc(4) : undefined),
    });
    const error = await failure(connection.request(SET_VRING_ENABLE, Buffer.alloc(8)));
    expect(error).to.include({ code: 'ERR_TARGET_GONE' });
    expect(error.message).to.contain('does not keep to the protocol');
    expect(error.hint).to.contain('a fault of the back end').and.not.to.contain('QMP');
  });

  it('fails and closes the connection when an answer does not come in time', async () => {
    const silent = {
      answer: ({ request }: { request: number }) => (request === ADD_MEM_REG ? 'silence' : undefined),
    } as const;
    const { backEnd, connection, target } = await bench.attached(silent, {}, { timeout: 50 });
    const error = await failure(target.mapDma(bench.request(0)));
    expect(error).to.include({ code: 'ERR_TARGET_GONE' });
    expect(error.cause).to.include({ code: 'ETIMEDOUT', request: 'VHOST_USER_ADD_MEM_REG' });
    expect((await lastValueFrom(connection.closed$)).message).to.equal(error.message);
    while (backEnd.isBusy) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  });

  it('is gone when this side closes the connection, and closed$ only completes', async () => {
    const { connection, target } = await bench.attached();
    await target.mapDma(bench.request(0));
    const open = failure(connection.request(GET_FEATURES));
    connection.close();
    connection.close();
    expect((await open).cause).to.include({ code: 'ERR_CLOSED' });
    expect(await failure(target.unmapDma(pagesAt(0)))).to.include({ code: 'ERR_TARGET_GONE' });
    expect(await lastValueFrom(connection.closed$.pipe(toArray()))).to.deep.equal([]);
    expect(() => new VhostUserTarget(connection)).to.throw('already has the target "disk"');
  });

  it('is no target of a connection that has ended', async () => {
    const backEnd = await bench.backEnd();
    const connection = await bench.connect(backEnd.path);
    connection.close();
    expect(await failure(() => new VhostUserTarget(connection))).to.include({ code: 'ERR_TARGET_GONE' });
  });

  it('gets all memory again by a new connection and a new target', async () => {
    const { backEnd, connection, target } = await bench.attached();
    const manager = new RegionManager();
    await bench.plug(manager, 0);
    await bench.plug(manager, 4, 2);
    connection.close();
    await failure(manager.attach(target));
    while (backEnd.isBusy) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    await manager.attach(new VhostUserTarget(await bench.connect(backEnd.path), { name: 'disk again' }));
    expect(held(backEnd)).to.deep.equal(['0x0-0x1000', '0x4000-0x6000']);
  });
});
