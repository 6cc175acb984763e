import { counted } from '../output/text.js';
import type { Check, Cure, IommuFacts } from './report.js';

const GRUB = '/etc/default/grub';

export function checkIommu(iommu: IommuFacts): Check {
  const { units, groups } = iommu;
  const name = 'IOMMU';
  if (groups.length > 0) {
    const driven = units.length === 0 ? '' : `${units.join(', ')}: `;
    return { name, state: 'works', says: `on; ${driven}${counted(groups.length, 'group')} of devices`, cures: [] };
  }
  const says =
    units.length === 0
      ? 'off, or there is none: no device can be given away'
      : `${units.join(', ')} is there, but has no groups of devices`;
  return { name, state: 'fails', says, cures: cures(iommu) };
}

function cures({ virtualMachine, processor }: IommuFacts): readonly Cure[] {
  const kernel: Cure =
    processor === 'intel'
      ? {
          says: 'Switch it on in the firmware (VT-d) and on the kernel command line, then restart:',
          commands: [`sed -i 's/^GRUB_CMDLINE_LINUX="/&intel_iommu=on /' ${GRUB}`, 'update-grub'],
          root: true,
        }
      : {
          says:
            processor === 'amd'
              ? 'Switch it on in the firmware (AMD-Vi, often called IOMMU); Linux then uses it by itself.'
              : 'Switch it on in the firmware (Arm: SMMU); Linux then uses it by itself.',
          commands: [],
          root: false,
        };
  if (!virtualMachine) {
    return [kernel];
  }
  const monitor: Cure = {
    says: 'This is a virtual machine: the monitor that runs it has to give it an IOMMU. With QEMU:',
    commands: ['qemu-system-x86_64 -M q35,kernel-irqchip=split -device intel-iommu,intremap=on'],
    root: false,
  };
  return processor === 'intel' ? [monitor, kernel] : [monitor];
}
