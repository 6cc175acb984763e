import type { DoctorFacts, IommuFacts, Readiness, Trial } from './report.js';

/** Which kinds of target can be used now, and with which devices. */
export function readiness({ software, vfio, iommufd, iommu, kvm }: DoctorFacts): Readiness {
  const given = iommu.groups.flatMap((group) =>
    group.viable && group.firmwareRanges.length === 0
      ? group.devices.filter(({ bound }) => bound).map((device) => ({ group, device }))
      : [],
  );
  const addresses = (opening: readonly (typeof given)[number][]): readonly string[] =>
    opening.map(({ device }) => device.address);
  return {
    software: software.works,
    type1: usable(vfio, iommu) ? addresses(given.filter(({ group }) => group.file.access === 'allowed')) : [],
    iommufd: usable(iommufd, iommu) ? addresses(given.filter(({ device }) => device.file?.access === 'allowed')) : [],
    kvm: kvm.runs.works,
  };
}

/** Whether an interface can be opened, and accepts devices with the interrupt remapping of this machine. */
function usable(
  { open, allowsUnsafeInterrupts }: { readonly open: Trial; readonly allowsUnsafeInterrupts: boolean | null },
  { interruptRemapping }: IommuFacts,
): boolean {
  return open.works && (interruptRemapping !== false || allowsUnsafeInterrupts === true);
}
