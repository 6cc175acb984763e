import { formatCount } from '../output/text.js';
import { checkDevices } from './check-devices.js';
import { checkIommu } from './check-iommu.js';
import { checkHugePages, checkLockedMemory, checkMaxMapCount } from './check-limits.js';
import type { Check, DoctorFacts, Trial } from './report.js';

/** Evaluates the facts: the state of each part, and how to fix it. */
export function diagnose(facts: DoctorFacts): readonly Check[] {
  return [
    ofTrial('native addon', facts.addon, `loaded on Linux ${facts.kernel}, ${facts.architecture}`),
    ofTrial('software IOMMU', facts.software, 'a page was mapped, and DMA accessed the correct bytes'),
    checkIommu(facts),
    checkVfio(facts),
    checkIommufd(facts),
    checkDevices(facts),
    checkKvm(facts),
    checkLockedMemory(facts.lockedMemory),
    checkHugePages(facts.hugePages),
    checkMaxMapCount(facts.maxMapCount),
  ];
}

function checkVfio({ vfio: { open, file, dmaEntryLimit } }: DoctorFacts): Check {
  const limit = dmaEntryLimit === null ? '' : `; ${formatCount(dmaEntryLimit)} mappings per container`;
  return ofTrial('VFIO type1', open, `${file.path} opens${limit}`);
}

function checkIommufd({ iommufd: { open, file, mapsFiles } }: DoctorFacts): Check {
  const maps =
    mapsFiles === true
      ? 'maps memory by file'
      : 'maps memory by host virtual address; mapping by file requires Linux 6.14 or later';
  return ofTrial('iommufd', open, `${file.path} opens; ${maps}`);
}

function checkKvm({ kvm: { runs, file, slots } }: DoctorFacts): Check {
  const limit = slots === null ? '' : `; ${formatCount(slots)} memory slots per virtual machine`;
  return ofTrial('KVM', runs, `${file.path} opens, and a guest ran${limit}`);
}

function ofTrial(name: string, trial: Trial, works: string): Check {
  if (trial.works) {
    return { name, state: 'works', says: works, cures: [] };
  }
  const { message, hint } = trial;
  return {
    name,
    state: 'fails',
    says: message,
    cures: hint === null ? [] : [{ says: hint, commands: [], root: false }],
  };
}
