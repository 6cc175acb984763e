import { NO_IOMMU_MODE, remappingCure, unsafeInterruptsCommand } from '../../binding/iommu/open-hints.js';
import { counted } from '../output/text.js';
import type { Check, Cure, DoctorFacts, IommuFacts } from './report.js';

const GRUB = '/etc/default/grub';

const QEMU_ON_X86 = 'qemu-system-x86_64 -M q35,kernel-irqchip=split -device intel-iommu,intremap=on';

export function checkIommu(facts: DoctorFacts): Check {
  const { units, groups, noIommuMode } = facts.iommu;
  const name = 'IOMMU';
  const unprotected = noIommuMode.length === 0 ? [] : [noIommuModeCure(noIommuMode)];
  if (groups.length > 0) {
    const driven = units.length === 0 ? '' : `${units.join(', ')}: `;
    const interrupts = checkInterrupts(facts);
    return {
      name,
      state: interrupts.state,
      says: `on; ${driven}${counted(groups.length, 'device group')}${interrupts.says}`,
      cures: [...interrupts.cures, ...unprotected],
    };
  }
  const says =
    units.length === 0
      ? 'off or absent: no device can be assigned'
      : `${units.join(', ')} present, but without device groups`;
  return { name, state: 'fails', says, cures: [...unprotected, ...cures(facts.iommu)] };
}

/** Without interrupt remapping the kernel assigns no device, unless the administrator has allowed unsafe interrupts. */
export function checkInterrupts({ iommu, vfio, iommufd }: DoctorFacts): Omit<Check, 'name'> {
  if (iommu.interruptRemapping !== false) {
    return { state: 'works', says: '', cures: [] };
  }
  const refusing = [
    ...(vfio.allowsUnsafeInterrupts === true ? [] : [{ face: 'VFIO type1', module: 'vfio_iommu_type1' } as const]),
    ...(iommufd.allowsUnsafeInterrupts === true ? [] : [{ face: 'iommufd', module: 'iommufd' } as const]),
  ];
  if (refusing.length === 0) {
    const says = '; interrupts are not remapped (allowed by configuration): a device can raise any interrupt';
    return { state: 'limited', says, cures: remapping(iommu) };
  }
  const faces = refusing.map(({ face }) => face).join(' and ');
  return {
    state: refusing.length === 1 ? 'limited' : 'fails',
    says: `; interrupts are not remapped, so ${faces} reject${refusing.length === 1 ? 's' : ''} devices`,
    cures: [
      ...remapping(iommu),
      {
        says: `Or, if the devices and their users are trusted, allow unsafe interrupts for ${faces}. Until the next restart:`,
        commands: refusing.map(({ module }) => unsafeInterruptsCommand(module)),
        root: true,
      },
      {
        says: 'To make this permanent (for a module built into the kernel: MODULE.allow_unsafe_interrupts=1 on the kernel command line):',
        commands: refusing.map(
          ({ module }) =>
            `echo 'options ${module} allow_unsafe_interrupts=1' > /etc/modprobe.d/${module}-unsafe-interrupts.conf`,
        ),
        root: true,
      },
    ],
  };
}

function remapping({ virtualMachine }: IommuFacts): readonly Cure[] {
  const machine: Cure = { says: remappingCure(), commands: [], root: false };
  return virtualMachine
    ? [
        machine,
        {
          says: 'This is a virtual machine: its virtual machine monitor must provide an IOMMU with interrupt remapping. With QEMU:',
          commands: [QEMU_ON_X86],
          root: false,
        },
      ]
    : [machine];
}

function noIommuModeCure(addresses: readonly string[]): Cure {
  return { says: `${addresses.join(', ')}: ${NO_IOMMU_MODE}`, commands: [], root: false };
}

function cures({ virtualMachine, processor }: IommuFacts): readonly Cure[] {
  const kernel: Cure =
    processor === 'intel'
      ? {
          says: 'Enable it in the firmware (VT-d) and on the kernel command line, then restart:',
          commands: [`sed -i 's/^GRUB_CMDLINE_LINUX="/&intel_iommu=on /' ${GRUB}`, 'update-grub'],
          root: true,
        }
      : {
          says:
            processor === 'amd'
              ? 'Enable it in the firmware (AMD-Vi, often called IOMMU). Linux then uses it automatically.'
              : processor === 'arm'
                ? 'Enable it in the firmware (SMMU). Linux then uses it automatically. For a virtual machine its monitor provides it, for instance:'
                : 'Enable it in the firmware. Linux then uses it automatically.',
          commands: processor === 'arm' ? ['qemu-system-aarch64 -M virt,iommu=smmuv3'] : [],
          root: false,
        };
  if (!virtualMachine) {
    return [kernel];
  }
  const monitor: Cure = {
    says: 'This is a virtual machine: its virtual machine monitor must provide an IOMMU. With QEMU:',
    commands: [QEMU_ON_X86],
    root: false,
  };
  return processor === 'intel' ? [monitor, kernel] : [monitor];
}
