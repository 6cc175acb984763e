import { buildHint } from '../../binding/addon.js';
import { formatCount } from '../output/text.js';
import { checkDevices } from './check-devices.js';
import { checkIommu } from './check-iommu.js';
import { checkHugePages, checkLockedMemory, checkMaxMapCount } from './check-limits.js';
import { checkNode } from './check-node.js';
import { readiness } from './readiness.js';
import type { Check, DoctorFacts, DoctorReport, Trial } from './report.js';
import { evaluate } from './requirements.js';

/** The report: what the facts mean, and which of the requirements they meet. */
export function reportOf(facts: DoctorFacts, requirements: readonly string[] = []): DoctorReport {
  const checks = diagnose(facts);
  return { ready: readiness(facts), devices: [], required: evaluate(requirements, checks), checks, facts };
}

/** Evaluates the facts: the state of each part, and how to fix it. */
export function diagnose(facts: DoctorFacts): readonly Check[] {
  return [
    checkNode(facts),
    checkAddon(facts),
    checkTrial(facts, 'software IOMMU', facts.software, 'a page was mapped, and DMA accessed the correct bytes'),
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

function checkAddon({ addon: { file, trial }, software, vfio, iommufd, kvm }: DoctorFacts): Check {
  const name = 'native addon';
  const path = file?.path ?? '';
  const [missing] = [software, vfio.open, iommufd.open, kvm.runs].flatMap((one) => missingFunction(one) ?? []);
  if (trial.works && missing !== undefined) {
    const says = `${path} is of another version of the package: it has no ${missing}`;
    return { name, state: 'fails', says, cures: [{ says: buildHint(), commands: [], root: false }] };
  }
  return ofTrial(name, trial, `loaded, ${file?.kind === 'prebuilt' ? 'prebuilt' : 'built on this machine'}: ${path}`);
}

/** The function that a trial called and that the addon does not have. */
function missingFunction(trial: Trial): string | undefined {
  return trial.works ? undefined : /^native\(\.\.\.\)\.(\w+) is not a function$/.exec(trial.message)?.[1];
}

export function checkVfio(facts: DoctorFacts): Check {
  const { open, file, dmaEntryLimit } = facts.vfio;
  const limit = dmaEntryLimit === null ? '' : `; ${formatCount(dmaEntryLimit)} mappings per container`;
  return checkTrial(facts, 'VFIO type1', open, `${file.path} opens${limit}`);
}

export function checkIommufd(facts: DoctorFacts): Check {
  const { open, file, mapsFiles } = facts.iommufd;
  const maps =
    mapsFiles === true
      ? 'maps memory by file'
      : 'maps memory by host virtual address; mapping by file requires Linux 6.14 or later';
  return checkTrial(facts, 'iommufd', open, `${file.path} opens; ${maps}`);
}

function checkKvm(facts: DoctorFacts): Check {
  const { runs, file, slots } = facts.kvm;
  const limit = slots === null ? '' : `; ${formatCount(slots)} memory slots per virtual machine`;
  return checkTrial(facts, 'KVM', runs, `${file.path} opens, and a guest ran${limit}`);
}

/** A trial that needs the addon. Without the addon it tells nothing, and only the row of the addon says how to fix that. */
function checkTrial({ addon }: DoctorFacts, name: string, trial: Trial, works: string): Check {
  return trial.works || (addon.trial.works && missingFunction(trial) === undefined)
    ? ofTrial(name, trial, works)
    : { name, state: 'fails', says: 'not tried: requires the native addon', cures: [] };
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
