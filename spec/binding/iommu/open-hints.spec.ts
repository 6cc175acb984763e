import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { findPciDevice, type PciDevice } from '../../../binding/index.js';
import { permissionHint } from '../../../binding/iommu/permission-hints.js';
import { firmwareRanges, reservedRanges } from '../../../binding/iommu/reserved-ranges.js';
import {
  addGroupHint,
  attachHint,
  bindHint,
  deviceFileHint,
  notBoundHint,
  openHint,
} from '../../../binding/iommu/open-hints.js';
import { temporaryFolder } from '../../../lab/temporary-folder.js';

const EPERM = -1;
const ENOENT = -2;
const ENOSPC = -28;
const ENOMEM = -12;
const EACCES = -13;
const EBUSY = -16;
const EINVAL = -22;
const EADDRINUSE = -98;

const ADDRESS = '0000:00:04.0';
const GROUP = 7;
const PATH = '/dev/vfio/devices/vfio3';

/** Does something as if on another architecture, or as another user. */
function as<T>(property: 'arch' | 'geteuid', value: unknown, work: () => T): T {
  const before = Object.getOwnPropertyDescriptor(process, property);
  if (before === undefined) {
    throw new Error(`process has no ${property}`);
  }
  Object.defineProperty(process, property, { ...before, value });
  try {
    return work();
  } finally {
    Object.defineProperty(process, property, before);
  }
}

describe('hints about the machine', () => {
  let sysfs: string;
  let device: PciDevice;

  function file(path: string, content: string): void {
    const whole = join(sysfs, path);
    mkdirSync(join(whole, '..'), { recursive: true });
    writeFileSync(whole, content);
  }

  function reserve(...rows: readonly string[]): void {
    file(`kernel/iommu_groups/${GROUP}/reserved_regions`, rows.map((row) => `${row}\n`).join(''));
  }

  beforeEach(() => {
    sysfs = temporaryFolder('sysfs-');
    const folder = join(sysfs, 'bus/pci/devices', ADDRESS);
    mkdirSync(join(folder, 'vfio-dev/vfio3'), { recursive: true });
    symlinkSync('../../../../bus/pci/drivers/vfio-pci', join(folder, 'driver'));
    symlinkSync(`../../../../kernel/iommu_groups/${GROUP}`, join(folder, 'iommu_group'));
    mkdirSync(join(sysfs, `kernel/iommu_groups/${GROUP}/devices/${ADDRESS}`), { recursive: true });
    reserve('0x00000000fee00000 0x00000000feefffff msi');
    device = findPciDevice(ADDRESS, sysfs);
  });

  afterEach(() => {
    rmSync(sysfs, { recursive: true });
  });

  /** Each place at which the kernel refuses a group, or a device of it. */
  const places = {
    'adding the group': (errno: number) => addGroupHint(errno, GROUP, sysfs),
    'binding the device': (errno: number) => bindHint(errno, PATH, device, sysfs),
    'attaching the device': (errno: number) => attachHint(errno, GROUP, sysfs),
  };

  for (const [place, hintOf] of Object.entries(places)) {
    const module = place === 'adding the group' ? 'vfio_iommu_type1' : 'iommufd';

    describe(place, () => {
      it('is refused for interrupts that are not remapped: says so, and names the parameter of its own module', () => {
        const hint = as('arch', 'x64', () => hintOf(EPERM));
        expect(hint).to.match(/interrupts are not remapped.*Switch interrupt remapping on.*intremap=off/);
        expect(hint).to.contain(`echo Y > /sys/module/${module}/parameters/allow_unsafe_interrupts`);
        expect(hint).not.to.contain('chown');
      });

      it('says nothing of switches of x86 elsewhere', () => {
        const hint = as('arch', 'arm64', () => hintOf(EPERM));
        expect(hint).to.contain('GICv3').and.contain(module);
        expect(hint).not.to.match(/VT-d|AMD-Vi|intremap/);
      });

      it('is refused for what the firmware reserves: says which addresses, by either error number', () => {
        reserve(
          '0x00000000bf7e2000 0x00000000bf7fffff direct',
          '0x00000000d0000000 0x00000000d0000fff direct',
          '0x00000000fee00000 0x00000000feefffff msi',
        );
        for (const errno of [EPERM, EINVAL]) {
          const hint = hintOf(errno);
          expect(hint).to.contain('firmware reserves 0xbf7e2000-0xbf800000, 0xd0000000-0xd0001000 for devices');
          expect(hint).to.contain(`group ${GROUP}`).and.contain('cannot be assigned');
          expect(hint).not.to.match(/unsafe_interrupts|container|once only|fee00000/);
        }
      });

      it('is not refused for what the kernel may drop of it, nor when the error is another one', () => {
        reserve('0x00000000bf7e2000 0x00000000bf7fffff direct-relaxable');
        expect(hintOf(EPERM)).to.contain('interrupts are not remapped');
        expect(hintOf(EINVAL) ?? '').not.to.contain('firmware');
        reserve('0x00000000bf7e2000 0x00000000bf7fffff direct');
        expect(hintOf(EBUSY)).not.to.contain('firmware');
      });

      it('names the driver of another member before all else', () => {
        reserve('0x00000000bf7e2000 0x00000000bf7fffff direct');
        const neighbour = join(sysfs, 'bus/pci/devices/0000:00:04.1');
        mkdirSync(neighbour, { recursive: true });
        symlinkSync('../../../../bus/pci/drivers/e1000e', join(neighbour, 'driver'));
        mkdirSync(join(sysfs, `kernel/iommu_groups/${GROUP}/devices/0000:00:04.1`));
        for (const errno of [EPERM, EINVAL, EBUSY]) {
          expect(hintOf(errno)).to.contain('0000:00:04.1').and.contain('e1000e');
        }
      });
    });
  }

  it('tell what is open elsewhere from what is not coherent with the caches, which x86 always is', () => {
    const onX86 = as('arch', 'x64', () => bindHint(EINVAL, PATH, device, sysfs));
    expect(onX86).to.contain('once only').and.not.contain('coherent');
    expect(as('arch', 'arm64', () => bindHint(EINVAL, PATH, device, sysfs))).to.match(/once only.*coherent/);
  });

  it('tell what the device cannot reach by its own list, not by that of x86', () => {
    reserve('0x0000000008000000 0x00000000080fffff msi');
    const hint = attachHint(EADDRINUSE, GROUP, sysfs);
    expect(hint).to.contain('0x8000000-0x8100000: unmap it').and.not.contain('fee00000');
    expect(attachHint(EADDRINUSE, undefined, sysfs)).to.contain('cannot reach: unmap it');
  });

  it('tell what runs out when all that is mapped is pinned at once', () => {
    expect(attachHint(ENOMEM, GROUP, sysfs)).to.match(/limit of locked memory.*--ulimit memlock=.*huge pages/);
    expect(attachHint(ENOSPC, GROUP, sysfs))
      .to.contain('file system')
      .and.contain('df');
  });

  describe('of files that may not be opened', () => {
    const opens = {
      '/dev/iommu': (errno: number) => openHint(errno, '/dev/iommu', 'iommufd', 'since', sysfs),
      '/dev/vfio/vfio': (errno: number) => openHint(errno, '/dev/vfio/vfio', 'vfio-pci', 'since', sysfs),
      '/dev/vfio/7': (errno: number) => deviceFileHint(errno, '/dev/vfio/7', device, sysfs),
      [PATH]: (errno: number) => deviceFileHint(errno, PATH, device, sysfs),
    };

    for (const [path, hintOf] of Object.entries(opens)) {
      it(`${path}: EPERM is the device cgroup, for any user`, () => {
        for (const user of [0, 1000]) {
          const hint = as(
            'geteuid',
            () => user,
            () => hintOf(EPERM),
          );
          expect(hint).to.contain('device cgroup').and.contain(`--device ${path} `);
          expect(hint).to.contain(`DeviceAllow=${path}`).and.not.contain('chown');
        }
      });

      it(`${path}: EACCES is its mode; root is not told to give it to root`, () => {
        expect(
          as(
            'geteuid',
            () => 1000,
            () => hintOf(EACCES),
          ),
        ).to.match(/^As root: chown \S+ \/dev/);
        const forRoot = as(
          'geteuid',
          () => 0,
          () => hintOf(EACCES),
        );
        expect(forRoot)
          .to.match(/CAP_DAC_OVERRIDE.*nodev/)
          .and.not.contain('chown root');
      });
    }

    it('is about the file that was asked for', () => {
      expect(permissionHint('EPERM', '/dev/vfio/12')).to.contain('--device /dev/vfio/12 ');
    });
  });

  it('tell a file that a container has not got from a module that is not loaded', () => {
    const missing = (): string | undefined => openHint(ENOENT, '/dev/iommu', 'iommufd', 'since', sysfs);
    expect(missing()).to.contain('modprobe iommufd');
    file('class/misc/iommu/dev', '10:125\n');
    expect(missing()).to.contain('--device /dev/iommu ').and.not.contain('modprobe');
  });

  describe('of the no-IOMMU mode', () => {
    beforeEach(() => {
      file(`kernel/iommu_groups/${GROUP}/name`, 'vfio-noiommu\n');
      device = findPciDevice(ADDRESS, sysfs);
    });

    it('say that it is not used, and why: such a device has no group', () => {
      expect(device).to.include({ iommuGroup: undefined, vfioNumber: 3 });
      for (const hint of [notBoundHint(device, sysfs), deviceFileHint(ENOENT, '/dev/vfio/7', device, sysfs)]) {
        expect(hint).to.match(/no-IOMMU mode .* is not used.*reach all memory.*no IOMMU to program/);
        expect(hint).not.to.contain('devtmpfs');
      }
    });

    it('go with how an IOMMU is switched on, on this architecture', () => {
      expect(as('arch', 'x64', () => notBoundHint(device, sysfs))).to.contain('intel_iommu=on');
      expect(as('arch', 'arm64', () => notBoundHint(device, sysfs)))
        .to.contain('SMMU')
        .and.not.match(/intel|VT-d/);
    });

    it('are not given where there is merely no IOMMU', () => {
      rmSync(join(sysfs, `bus/pci/devices/${ADDRESS}/iommu_group`));
      const hint = notBoundHint(findPciDevice(ADDRESS, sysfs), sysfs);
      expect(hint).to.contain('No IOMMU').and.not.contain('no-IOMMU mode');
    });
  });

  it('read reserved ranges as the kernel writes them, and nothing where there is no such file', () => {
    reserve(
      '0x00000000bf7e2000 0x00000000bf7fffff direct',
      '',
      'odd',
      '0xfffffffffffff000 0xffffffffffffffff reserved',
    );
    expect(reservedRanges(GROUP, sysfs)).to.deep.equal([
      { start: 0xbf7e2000n, end: 0xbf800000n, type: 'direct' },
      { start: 0xfffffffffffff000n, end: 1n << 64n, type: 'reserved' },
    ]);
    expect(firmwareRanges(GROUP, sysfs)).to.have.length(1);
    expect(reservedRanges(99, sysfs)).to.deep.equal([]);
  });
});
