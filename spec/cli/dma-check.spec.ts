import { expect } from 'chai';
import { checkDma } from '../../cli/replay/dma-check.js';
import type { DmaDevice } from '../../cli/replay/dma-device.js';
import { fileBacking } from '../../cli/replay/dma-spots.js';
import type { HostView } from '../../cli/replay/host-view.js';
import { DmaFault, MemoryRange, type MapChange, type Mappable } from '../../streams/index.js';

/** Files in the heap, of 16 pages each. */
class FakeFile implements Mappable {
  readonly fd = 0;
  readonly label = 'fake';
  readonly bytes = Buffer.alloc(0x10000);
}

/** Reaches the bytes that a mapping shows. */
class FakeView implements HostView {
  read(mapping: MapChange, address: bigint, length: number): Buffer {
    return Buffer.from(place(mapping, address).subarray(0, length));
  }

  write(mapping: MapChange, address: bigint, data: Uint8Array): void {
    place(mapping, address).set(data);
  }
}

/** Sees what the host sees, and obeys what is writable. */
class HonestDevice implements DmaDevice {
  readonly name = 'soft';
  readonly mappings: readonly MapChange[];

  constructor(mappings: readonly MapChange[]) {
    this.mappings = mappings;
  }

  read(iova: bigint, length: number): Buffer {
    return Buffer.from(place(this.find(iova, 'read'), iova).subarray(0, length));
  }

  write(iova: bigint, data: Uint8Array): void {
    const mapping = this.find(iova, 'write');
    if (!mapping.writable) {
      throw new DmaFault('read-only', iova, 'write');
    }
    place(mapping, iova).set(data);
  }

  find(iova: bigint, access: 'read' | 'write'): MapChange {
    const found = this.mappings.find(({ range }) => range.start <= iova && iova < range.end);
    if (found === undefined) {
      throw new DmaFault('not mapped', iova, access);
    }
    return found;
  }
}

describe('checkDma', () => {
  const file = new FakeFile();
  const ram = mapping(0x0, 0x4000, file, 0);
  const alias = mapping(0x8000, 0xc000, file, 0);
  const rom = mapping(0x10000, 0x12000, new FakeFile(), 0x1000, false);
  const all = [ram, alias, rom];

  it('makes three checks each way in a mapping, and three more in a read-only one; none fails, aliases included', async () => {
    const result = await checkDma([{ device: new HonestDevice(all), mappings: all }], new FakeView());
    expect(result).to.deep.equal({ checked: 6 + 6 + 9, failed: 0, targets: ['soft'], faults: 3, failures: [] });
  });

  it('checks each device', async () => {
    const devices = [all, [ram]].map((mappings) => ({ device: new HonestDevice(mappings), mappings }));
    expect(await checkDma(devices, new FakeView())).to.deep.include({
      checked: 21 + 6,
      failed: 0,
      targets: ['soft', 'soft'],
    });
  });

  it('has nothing to check where nothing is mapped', async () => {
    const result = await checkDma([{ device: new HonestDevice([]), mappings: [] }], new FakeView());
    expect(result).to.include({ checked: 0, failed: 0 });
  });

  describe('finds', () => {
    async function failures(device: DmaDevice, mappings: readonly MapChange[]): Promise<string[]> {
      const { failed, failures: found } = await checkDma([{ device, mappings }], new FakeView());
      expect(failed).to.be.greaterThan(0);
      return found.map(({ address, what }) => `0x${address.toString(16)} ${what}`);
    }

    it('a device that reaches another mapping than the guest', async () => {
      const [first, second] = [mapping(0x0, 0x1000, file, 0), mapping(0x1000, 0x2000, file, 0x4000)];
      const crossed = [mapping(0x0, 0x1000, file, 0x4000), mapping(0x1000, 0x2000, file, 0)];
      const found = await failures(new HonestDevice(crossed), [first, second]);
      expect(found)
        .to.include('0x0 the host finds other bytes there')
        .and.to.include('0x1000 the device finds other bytes there');
    });

    it('two mappings that show the same bytes, and should not', async () => {
      const apart = [mapping(0x0, 0x1000, file, 0), mapping(0x1000, 0x2000, file, 0x4000)];
      const together = [mapping(0x0, 0x1000, file, 0), mapping(0x1000, 0x2000, file, 0)];
      expect(await failures(new HonestDevice(together), apart)).to.include('0x1000 the host finds other bytes there');
    });

    it('two mappings that should show the same bytes, and do not', async () => {
      const apart = [ram, mapping(0x8000, 0xc000, file, 0x8000)];
      expect(await failures(new HonestDevice(apart), [ram, alias])).to.include('0x0 the host finds other bytes there');
    });

    it('a read-only mapping that a device can write', async () => {
      const found = await failures(new HonestDevice([mapping(0x10000, 0x12000, fileOf(rom), 0x1000)]), [rom]);
      expect(found).to.include('0x10000 the device can write it, and it is read-only');
    });

    it('a fault that comes too late', async () => {
      const device = new HonestDevice([rom]);
      const write = (iova: bigint, data: Uint8Array): void => {
        place(rom, iova).set(data);
        throw new DmaFault('read-only', iova, 'write');
      };
      const late: DmaDevice = { name: 'late', read: (iova, length) => device.read(iova, length), write };
      expect(await failures(late, [rom])).to.include(
        '0x10000 after a write that faulted the host finds other bytes there',
      );
    });

    it('a refusal that is no fault', async () => {
      const device = new HonestDevice([rom]);
      const write = (): void => {
        throw new TypeError('out of order');
      };
      const broken: DmaDevice = { name: 'broken', read: (iova, length) => device.read(iova, length), write };
      expect((await failures(broken, [rom]))[0]).to.contain('fails, but not as a DMA fault: out of order');
    });

    it('a mapping that the device does not have', async () => {
      const found = await failures(new HonestDevice([]), [ram]);
      expect(found)
        .to.include('0x0 the device cannot write it: ERR_DMA_FAULT: not mapped')
        .and.to.include('0x3ff0 the device cannot read it: ERR_DMA_FAULT: not mapped');
    });
  });

  describe('of hardware, which reports no faults', () => {
    /** Loses what it may not write, without a word. */
    class FakeHardware extends HonestDevice {
      readonly calls: string[] = [];
      readonly hardware = {
        address: '0000:00:04.0',
        mostMappings: 3,
        start: (mappings: readonly MapChange[]): Promise<void> => {
          this.calls.push(`start ${mappings.length}`);
          return Promise.resolve();
        },
        stop: (): Promise<void> => {
          this.calls.push('stop');
          return Promise.resolve();
        },
      };

      override write(iova: bigint, data: Uint8Array): void {
        this.calls.push(`write 0x${iova.toString(16)}`);
        const found = this.find(iova, 'write');
        if (found.writable) {
          place(found, iova).set(data);
        }
      }
    }

    it('looks at both ends of a few mappings, from the first to the last, between start and stop', async () => {
      const mappings = Array.from({ length: 7 }, (_, index) =>
        mapping(index * 0x1000, (index + 1) * 0x1000, file, index * 0x1000),
      );
      const device = new FakeHardware(mappings);
      const { hardware, ...rest } = await checkDma([{ device, mappings }], new FakeView());
      expect(rest).to.deep.equal({ checked: 3 * 2 * 2, failed: 0, targets: ['soft'], faults: 0, failures: [] });
      expect(hardware).to.deep.equal([{ target: 'soft', address: '0000:00:04.0', mappings: 3, of: 7 }]);
      expect(device.calls).to.deep.equal([
        'start 7',
        ...['0x0', '0xff0', '0x3000', '0x3ff0', '0x6000', '0x6ff0'].map((address) => `write ${address}`),
        'stop',
      ]);
    });

    it('takes a write to read-only memory for good when it is lost, and not when it is not', async () => {
      const result = await checkDma([{ device: new FakeHardware([rom]), mappings: [rom] }], new FakeView());
      expect(result).to.include({ checked: 2 + 2 + 2, failed: 0, faults: 0 });

      const writable = new FakeHardware([mapping(0x10000, 0x12000, fileOf(rom), 0x1000)]);
      const { failed, failures } = await checkDma([{ device: writable, mappings: [rom] }], new FakeView());
      expect(failed).to.equal(2);
      expect(failures[0]?.what).to.contain('after a write to read-only memory the host finds other bytes');
    });

    it('fails where it cannot be started, or not be stopped, which it is in any case', async () => {
      const device = new FakeHardware([ram]);
      const cannot = (): Promise<void> => Promise.reject(new Error('it is gone'));
      const dead = { ...device.hardware, start: cannot };
      const result = await checkDma(
        [{ device: { ...devicePart(device), hardware: dead }, mappings: [ram] }],
        new FakeView(),
      );
      expect(result.failures.map(({ what }) => what)).to.deep.equal(['0000:00:04.0 does no DMA: it is gone']);
      expect(device.calls).to.deep.equal(['stop']);

      const stuck = { ...device.hardware, stop: cannot };
      const { failures } = await checkDma(
        [{ device: { ...devicePart(device), hardware: stuck }, mappings: [ram] }],
        new FakeView(),
      );
      expect(failures[0]?.what).to.contain('cannot be ended: it is gone');
    });

    function devicePart(device: HonestDevice): DmaDevice {
      return {
        name: device.name,
        read: (iova, length) => device.read(iova, length),
        write: (iova, data) => {
          device.write(iova, data);
        },
      };
    }
  });

  it('keeps the first failures, and counts all', async () => {
    const mappings = Array.from({ length: 16 }, (_, index) =>
      mapping(index * 0x1000, (index + 1) * 0x1000, file, index * 0x1000),
    );
    const result = await checkDma([{ device: new HonestDevice([]), mappings }], new FakeView());
    expect(result.failed).to.equal(result.checked);
    expect(result.failed).to.equal(16 * 6);
    expect(result.failures).to.have.length(10);
  });

  it('keeps one more where it would be the only one left out', async () => {
    // Six checks of each mapping.
    const mappings = [0, 1].map((index) => mapping(index * 0x1000, (index + 1) * 0x1000, file, index * 0x1000));
    for (const [good, failed, kept] of [
      [1, 11, 11],
      [0, 12, 10],
    ] as const) {
      let left = good;
      const device: DmaDevice = {
        name: 'd',
        read: (iova, length) => {
          if (left-- > 0) {
            return new HonestDevice(mappings).read(iova, length);
          }
          throw new Error('it is gone');
        },
        write: () => {
          throw new Error('it is gone');
        },
      };
      const result = await checkDma([{ device, mappings }], new FakeView());
      expect([result.failed, result.failures.length]).to.deep.equal([failed, kept]);
    }
  });
});

function mapping(start: number, end: number, mappable: Mappable, fileOffset: number, writable = true): MapChange {
  return {
    range: MemoryRange.of(start, end),
    region: 'r',
    type: 'ram',
    writable,
    backing: { mappable, fileOffset: BigInt(fileOffset) },
  };
}

function fileOf(change: MapChange): Mappable {
  return fileBacking(change).mappable;
}

function place(change: MapChange, address: bigint): Buffer {
  const { mappable, fileOffset } = fileBacking(change);
  if (!(mappable instanceof FakeFile)) {
    throw new TypeError('only fake files here');
  }
  return mappable.bytes.subarray(Number(fileOffset + address - change.range.start));
}
