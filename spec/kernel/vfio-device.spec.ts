import { expect } from 'chai';
import { Iommufd, VfioDevice } from '../../binding/index.js';
import { MemoryRange } from '../../streams/index.js';
import { MAPPERS } from '../binding/support/mappers.js';
import { dmaError } from '../binding/support/thrown.js';
import { describeByteArguments } from '../support/byte-arguments.js';
import { enable, FIRST } from './support/edu.js';

const IDENTIFICATION = 0x010000ed;
const COMMAND_REGISTER = 4;

describe('VfioDevice', () => {
  let iommufd: Iommufd;
  let device: VfioDevice;

  beforeEach(() => {
    iommufd = Iommufd.open();
    device = VfioDevice.openCdev(FIRST, iommufd);
    enable(device);
  });

  afterEach(() => {
    device.close();
    iommufd.close();
  });

  it('describes its regions', () => {
    expect(device.region(0)).to.include({ size: 0x100000n, mappable: true });
    expect(device.region(1)).to.include({ size: 0n, mappable: false });
    expect(device.region(7).mappable).to.equal(false);
    for (const index of [9, 1000, 2 ** 32, 2 ** 40]) {
      expect(() => device.region(index)).to.throw(RangeError, String(index));
    }
    for (const index of [-1, 0.5, NaN]) {
      expect(() => device.region(index)).to.throw(RangeError);
    }
  });

  it('reads and writes its configuration space', () => {
    expect(device.readConfig(0, 4).toString('hex')).to.equal('3412e811');
    device.writeConfig(COMMAND_REGISTER, Buffer.from([2, 0]));
    expect(device.readConfig(COMMAND_REGISTER, 2).readUInt16LE() & 6).to.equal(2);
    expect(() => device.readConfig(0x1000, 4)).to.throw(RangeError, 'configuration space');
    expect(() => device.readConfig(-4, 4)).to.throw(RangeError, 'offset');
    expect(() => {
      device.writeConfig(0, 'x' as never);
    }).to.throw(TypeError, 'data');
  });

  it('reads and writes its registers', () => {
    expect(device.readBar(0, 0n, 4).readUInt32LE()).to.equal(IDENTIFICATION);
    // The inversion register.
    device.writeBar(0, 4n, Buffer.from([0x0f, 0, 0xff, 0]));
    expect(device.readBar(0, 4n, 4).toString('hex')).to.equal('f0ff00ff');
    expect(() => device.readBar(0, 0xffffen, 4)).to.throw(RangeError, 'BAR 0');
    expect(() => device.readBar(1, 0n, 1)).to.throw(RangeError, 'BAR 1');
    expect(() => device.readBar(6, 0n, 1)).to.throw(RangeError, 'not of a BAR');
  });

  describeByteArguments({
    readConfig: { what: 'offset', good: 4, call: (offset) => device.readConfig(offset, 2) },
    'readConfig, length': { what: 'length', good: 4, call: (length) => device.readConfig(0, length) },
    readBar: { what: 'offset', good: 0, call: (offset) => device.readBar(0, offset, 4) },
    'readBar, length': { what: 'length', good: 4, call: (length) => device.readBar(0, 0, length) },
    writeBar: {
      what: 'offset',
      good: 4,
      call: (offset) => {
        device.writeBar(0, offset, Buffer.from([1, 0, 0, 0]));
        return device.readBar(0, 4, 4);
      },
    },
  });

  it('says why it does not answer', () => {
    device.writeConfig(COMMAND_REGISTER, Buffer.from([0, 0]));
    const error = dmaError(() => device.readBar(0, 0n, 4));
    expect(error).to.include({ code: 'EIO', syscall: 'pread' });
    expect(error.hint).to.contain('command register');
    expect(
      dmaError(() => {
        device.writeBar(0, 0n, Buffer.alloc(4));
      }).code,
    ).to.equal('EIO');
  });

  for (const mapper of MAPPERS) {
    it(`is a mappable: its BAR is memory of ${mapper.name}, also while it does not answer; a mapping outlives the descriptor`, () => {
      using space = mapper.make();
      const range = MemoryRange.ofLength(0xe0000000n, 0x100000n);
      const change = {
        range,
        region: 'bar0',
        type: 'device',
        writable: true,
        backing: { mappable: device, fileOffset: device.region(0).offset },
      } as const;
      expect(space.ensureMapped(change)).to.equal(space.ensureMapped(change));
      expect(space.read(0xe0000000n, 4).readUInt32LE()).to.equal(IDENTIFICATION);
      space.write(0xe0000004n, Buffer.from([1, 2, 3, 4]));
      expect(space.read(0xe0000004n, 4).toString('hex')).to.equal('fefdfcfb');
      expect(dmaError(() => space.view(range)).code).to.equal('EOPNOTSUPP');
      device.writeConfig(COMMAND_REGISTER, Buffer.from([0, 0]));
      expect(dmaError(() => space.read(0xe0000000n, 4)).code).to.be.oneOf(['EIO', 'EFAULT']);
      enable(device);
      device.close();
      expect(space.read(0xe0000000n, 4), 'a mapping outlives the descriptor').to.have.length(4);
      const again = { ...change, range: range.shift(0x1000_0000n) };
      expect(dmaError(() => space.ensureMapped(again)).code).to.equal('ERR_CLOSED');
      space.release(range);
      expect(dmaError(() => space.read(0xe0000000n, 4)).code).to.equal('EFAULT');
    });
  }

  it('that has no reset of its own says so', () => {
    const error = dmaError(() => {
      device.reset();
    });
    expect(error).to.include({ syscall: 'ioctl', request: 'VFIO_DEVICE_RESET' });
    expect(error.code).to.be.oneOf(['EINVAL', 'ENOTTY']);
    expect(error.hint).to.contain('reset of its own');
  });

  it('refuses everything once closed', () => {
    device.close();
    device.close();
    for (const use of [
      () => device.fd,
      () => device.region(0),
      () => device.readConfig(0, 4),
      () => device.readBar(0, 0n, 4),
      () => {
        device.writeBar(0, 0n, Buffer.alloc(4));
      },
      () => {
        device.detach();
      },
      () => {
        device.reset();
      },
    ]) {
      expect(dmaError(use).code).to.equal('ERR_CLOSED');
    }
  });
});
