import type { DoctorFacts, Readiness } from './report.js';

/** Which kinds of target could be used now, and with which devices. */
export function readiness({ software, vfio, iommufd, iommu }: DoctorFacts): Readiness {
  const given = iommu.groups.flatMap((group) =>
    group.viable ? group.devices.filter(({ bound }) => bound).map((device) => ({ group, device })) : [],
  );
  const addresses = (usable: readonly (typeof given)[number][]): readonly string[] =>
    usable.map(({ device }) => device.address);
  return {
    software: software.works,
    type1: vfio.open.works ? addresses(given.filter(({ group }) => group.file.access === 'allowed')) : [],
    iommufd: iommufd.open.works ? addresses(given.filter(({ device }) => device.file?.access === 'allowed')) : [],
  };
}
