import { expect } from 'chai';
import { AddressSpace, DmaBatch } from '../../../binding/index.js';
import { resolveHostVa } from '../../../binding/memory/host-va.js';
import type { Ioas } from '../../../binding/index.js';
import { MemoryRange } from '../../../streams/index.js';
import type { HostVa } from '../../../streams/index.js';
import { ram } from '../support/changes.js';
import { dmaError } from '../support/thrown.js';

const range = MemoryRange.of(0x1000, 0x3000);

describe('DmaBatch', () => {
  it('counts its rows and what they map, and grows', () => {
    using space = new AddressSpace({ size: 1n << 30n });
    const hostVa = space.ensureMapped(ram(0x1000, 0x3000));
    const batch = new DmaBatch(1);
    for (let row = 0; row < 100; row += 1) {
      batch.mapVa(range, hostVa, true);
      batch.mapFile(range, 0, 0n, false);
      batch.unmap(range);
    }
    batch.unmapAll();
    expect(batch.length).to.equal(301);
    expect(batch.bytesToMap).to.equal(200n * 0x2000n);
    batch.clear();
    expect([batch.length, batch.bytesToMap]).to.deep.equal([0, 0n]);
  });

  it('hands over what a kernel is asked for', () => {
    using space = new AddressSpace({ size: 1n << 30n });
    using other = new AddressSpace({ size: 1n << 30n });
    const batch = new DmaBatch();
    const addresses = [space.ensureMapped(ram(0x1000, 0x3000)), other.ensureMapped(ram(0x5000, 0x6000))] as const;
    batch.mapVa(range, addresses[0], true);
    batch.mapVa(MemoryRange.of(0x8000, 0x9000), addresses[1], false);
    const [first, second] = addresses.map((hostVa) => resolveHostVa(hostVa).space.openId()) as [number, number];
    expect(first).to.not.equal(second);
    batch.mapFile(MemoryRange.of(0x10000, 0x11000), 9, 0x7000n, true);
    batch.unmap(range);
    const done = batch.runNow((rows, results, count) => {
      expect(count).to.equal(4);
      expect([...rows.subarray(0, 16)]).to.deep.equal([
        ...[1 + 8 + first * 16, 0x1000, 0x2000, 0x1000],
        ...[1 + second * 16, 0x8000, 0x1000, 0x5000],
        ...[2 + 8 + 9 * 16, 0x10000, 0x1000, 0x7000],
        ...[0, 0x1000, 0x2000, 0],
      ]);
      results.set([0, -17, -14, 0]);
      rows[14] = 0x1000;
      return 4;
    });
    expect(done).to.equal(4);
    expect([0, 1, 2, 3].map((row) => batch.errnoAt(row))).to.deep.equal([0, -17, -14, 0]);
    expect(batch.unmappedAt(3)).to.equal(0x1000n);
    for (const row of [-1, 4, 0.5, NaN]) {
      expect(() => batch.errnoAt(row)).to.throw(RangeError);
    }
  });

  it('hands over the one row that is in it, and notes what became of it', () => {
    const batch = new DmaBatch();
    const asked: number[][] = [];
    const answering =
      (answer: number) =>
      (...row: number[]): number => {
        asked.push(row);
        return answer;
      };
    batch.unmap(MemoryRange.ofLength(0x10000, 0x3000));
    expect(batch.runRow(answering(0x2000))).to.equal(1);
    expect([batch.errnoAt(0), batch.unmappedAt(0)]).to.deep.equal([0, 0x2000n]);
    batch.clear();
    batch.unmap(MemoryRange.ofLength(0x10000, 0x3000));
    batch.runRow(answering(-2));
    expect([batch.errnoAt(0), batch.unmappedAt(0)]).to.deep.equal([-2, 0n]);
    batch.clear();
    batch.mapFile(MemoryRange.ofLength(0x20000, 0x1000), 5, 0x4000n, true);
    batch.runRow(answering(0));
    expect([batch.errnoAt(0), batch.unmappedAt(0)]).to.deep.equal([0, 0x1000n]);
    expect(asked).to.deep.equal([
      [0, 0x10000, 0x3000, 0],
      [0, 0x10000, 0x3000, 0],
      [2 + 8 + 5 * 16, 0x20000, 0x1000, 0x4000],
    ]);
  });

  it('is locked while it runs on another thread, and free again whatever comes of it', async () => {
    const batch = new DmaBatch();
    batch.unmapAll();
    const running = batch.runLater(() => Promise.reject(new Error('gone')));
    expect(() => {
      batch.unmap(range);
    }).to.throw(TypeError, 'another thread');
    expect(() => batch.runNow(() => 0)).to.throw(TypeError, 'another thread');
    expect(
      await running.then(
        () => 'resolved',
        (error: unknown) => (error as Error).message,
      ),
    ).to.equal('gone');
    batch.clear();
  });

  it('keeps addresses and offsets exact up to 2^64', () => {
    const batch = new DmaBatch();
    const last = MemoryRange.of((1n << 64n) - 0x2000n, 1n << 64n);
    batch.mapFile(last, 0x7fffffff, (1n << 64n) - 0x1000n, false);
    batch.mapFile(range, 0, (1n << 53n) - 1n, false);
    batch.runNow((rows) => {
      expect([...rows.subarray(0, 4)].map(BigInt)).to.deep.equal([
        ...[2n + 0x7fffffffn * 16n, (1n << 64n) - 0x2000n],
        ...[0x2000n, (1n << 64n) - 0x1000n],
      ]);
      expect(rows[7]).to.equal(Number.MAX_SAFE_INTEGER);
      return 2;
    });
    expect(() => {
      batch.mapFile(range, 0, (1n << 53n) + 1n, false);
    }).to.throw(RangeError, '2^53');
  });

  it('says when there can be no thread for it, and nothing was run', async () => {
    const batch = new DmaBatch();
    batch.unmapAll();
    const error: unknown = await batch.runLater(() => -11).catch((reason: unknown) => reason);
    expect(error).to.include({ code: 'EAGAIN', syscall: 'pthread_create' });
    batch.clear();
  });

  it('refuses what is no mapping', () => {
    using space = new AddressSpace({ size: 1n << 30n });
    const hostVa = space.ensureMapped(ram(0x1000, 0x3000));
    const batch = new DmaBatch();
    expect(() => {
      batch.mapVa(MemoryRange.of(0, 0x3000), hostVa, true);
    }).to.throw(RangeError, 'longer');
    const forged: HostVa = { address: hostVa.address };
    expect(
      dmaError(() => {
        batch.mapVa(range, forged, true);
      }).code,
    ).to.equal('ERR_INVALID_HOST_VA');
    expect(() => {
      batch.mapVa({} as MemoryRange, hostVa, true);
    }).to.throw(TypeError, 'range');
    expect(() => {
      batch.mapVa(range, hostVa, 1 as never);
    }).to.throw(TypeError, 'writable');
    expect(() => {
      batch.mapFile(range, -1, 0n, true);
    }).to.throw(TypeError, 'fd');
    expect(() => {
      batch.mapFile(range, 1, -1n, true);
    }).to.throw(RangeError, 'fileOffset');
    expect(() => {
      batch.mapFile(range, 1, 1n << 64n, true);
    }).to.throw(RangeError, 'fileOffset');
    expect(() => {
      batch.mapFile(range, 1, '4096' as never, true);
    }).to.throw(TypeError, 'fileOffset');
    expect(() => {
      batch.copy(range, {} as Ioas, true);
    }).to.throw(TypeError, 'source');
    expect(batch.length).to.equal(0);
    space.close();
    expect(batch.runNow(() => 0)).to.equal(0);
  });

  it('is not run with a space that was closed', () => {
    const space = new AddressSpace({ size: 1n << 30n });
    const batch = new DmaBatch();
    batch.mapVa(range, space.ensureMapped(ram(0x1000, 0x3000)), true);
    space.close();
    expect(dmaError(() => batch.runNow(() => 0)).code).to.equal('ERR_CLOSED');
  });
});
