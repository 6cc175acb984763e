import { execFileSync } from 'node:child_process';
import { expect } from 'chai';
import { VfioContainer, VfioDevice, VfioGroup } from '../../../binding/index.js';
import { MemoryRange } from '../../../streams/index.js';
import { IommufdTarget } from '../../../targets/index.js';
import { dmaError } from '../../binding/support/thrown.js';
import { FIRST } from '../support/edu.js';
import { mapsFiles } from '../support/machine.js';
import { pinned, refusal, Workbench } from '../support/workbench.js';

const PAGE = MemoryRange.of(0x100000, 0x101000);
const WINDOW = MemoryRange.of(0xfee00000, 0xfee01000);

describe('the errno table: before and while devices are there', () => {
  it('type1: a map before a group is in the container is EINVAL, with what to do', async () => {
    using bench = new Workbench('type1', { withDevice: false });
    const request = bench.request(PAGE);
    expect(bench.kernelMap(request), 'the kernel itself').to.equal(-22);
    const error = await refusal(() => bench.way.target.mapDma(request));
    expect(error).to.include({ code: 'EINVAL', errno: -22, request: 'VFIO_IOMMU_MAP_DMA' });
    expect(error.hint).to.contain('addGroup');
    const early = dmaError(() => {
      bench.way.target.checkMaps([request, bench.request(MemoryRange.of(0x200000, 0x201000))]);
    });
    expect(early).to.include({ code: 'EINVAL', request: 'VFIO_IOMMU_GET_INFO' });
  });

  it('iommufd: a map before a device is attached is neither checked nor pinned', async () => {
    using bench = new Workbench('va', { withDevice: false });
    expect(bench.way.ioas?.iovaRanges).to.deep.equal([{ start: 0n, last: (1n << 64n) - 1n }]);
    await bench.way.target.mapDma(bench.request(PAGE));
    await bench.way.target.mapDma(bench.request(WINDOW));
    expect(pinned()).to.equal(0);
    const error = dmaError(() => bench.way.openDevice());
    expect(error).to.include({ code: 'EADDRINUSE', errno: -98, request: 'VFIO_DEVICE_ATTACH_IOMMUFD_PT' });
    expect(error.hint).to.match(/0xfee00000-0xfef00000: unmap it, attach/);
    await bench.way.target.unmapDma(WINDOW);
    expect(pinned(), 'the device is out').to.equal(0);
  });

  it('iommufd: what is not backed surfaces when the device is attached, and leaves it as it was', async () => {
    using bench = new Workbench('va', { withDevice: false });
    const file = bench.file('/dev/shm', 0x1000);
    await bench.way.target.mapDma(bench.request(PAGE, { mappable: file.mappable }));
    file.truncate(0);
    const iommufd = bench.way.ioas?.iommufd;
    const ioas = bench.way.ioas;
    if (iommufd === undefined || ioas === undefined) {
      throw new Error('no IOAS');
    }
    using device = VfioDevice.openCdev(FIRST, iommufd);
    const error = dmaError(() => {
      device.attach(ioas);
    });
    expect(error).to.include({ code: 'EFAULT', errno: -14, request: 'VFIO_DEVICE_ATTACH_IOMMUFD_PT' });
    expect(error.hint).to.contain('not backed by memory any more');
    expect(pinned()).to.equal(0);
    file.truncate(0x1000);
    device.attach(ioas);
    expect(pinned()).to.equal(0x1000);
  });

  it('the group while its device file is open, and the other way round: EBUSY', () => {
    using bench = new Workbench('va');
    const group = dmaError(() => VfioGroup.forDevice(FIRST));
    expect(group).to.include({ code: 'EBUSY', errno: -16, syscall: 'open' });
    expect(group.hint).to.match(/open once only, as a group or as a device.*fuser -v \/dev\/vfio\/\d+/);
    bench.way.close();
    using container = VfioContainer.open();
    using opened = VfioGroup.forDevice(FIRST);
    container.addGroup(opened);
    using other = new Workbench('va', { withDevice: false });
    const device = dmaError(() => other.way.openDevice());
    expect(device).to.include({ code: 'EBUSY' });
    expect(device.hint).to.match(/open once only.*fuser -v \/dev\/vfio\/devices\/vfio\d+/);
  });

  it('IOMMU_IOAS_MAP_FILE: before Linux 6.14 ENOTTY; from then on also of a memfd that has no address here', async () => {
    using bench = new Workbench('va');
    const { ioas } = bench.way;
    if (ioas === undefined) {
      throw new Error('no IOAS');
    }
    const [answer] = bench.kernel((batch) => {
      batch.mapFile(PAGE, bench.memfd.fd, 0n, true);
    });
    if (mapsFiles()) {
      expect(answer?.errno).to.equal(0);
      const target = new IommufdTarget(ioas, { by: 'file' });
      const request = { region: 'ram', type: 'ram', writable: true, mappable: bench.memfd, fileOffset: 0n } as const;
      await target.mapDma({ ...request, range: MemoryRange.of(0x200000, 0x201000) });
      return;
    }
    expect(answer?.errno).to.equal(-25);
    const error = dmaError(() => new IommufdTarget(ioas, { by: 'file' }));
    expect(error).to.include({ code: 'ENOTTY', errno: -25, syscall: 'ioctl', request: 'IOMMU_IOAS_MAP_FILE' });
    expect(error.hint).to.match(/Linux 6\.14.*by: 'va', or 'auto'/);
    expect(new IommufdTarget(ioas).needsVa, "'auto' maps by address").to.equal(true);
  });

  it('while memory is pinned it cannot be sealed against writing (EBUSY), and a file can be cut short', async () => {
    using bench = new Workbench('type1');
    await bench.way.target.mapDma(bench.request(PAGE));
    // Node has no fcntl. 1033 is F_ADD_SEALS, 8 is F_SEAL_WRITE.
    const seal = 'open(my $file, "+<&=", 3); fcntl($file, 1033, 8); print $! + 0';
    const said = execFileSync('perl', ['-e', seal], { stdio: ['ignore', 'pipe', 'inherit', bench.memfd.fd] });
    expect(said.toString(), 'EBUSY').to.equal('16');
    const file = bench.file('/dev/shm', 0x1000);
    const request = bench.request(MemoryRange.of(0x200000, 0x201000), { mappable: file.mappable });
    await bench.way.target.mapDma(request);
    file.truncate(0);
    expect(pinned(), 'the device keeps the page').to.equal(0x2000);
    await bench.way.target.unmapDma(request.range);
    expect(pinned()).to.equal(0x1000);
  });
});
