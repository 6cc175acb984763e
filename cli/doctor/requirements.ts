import { UsageError } from '../errors.js';
import type { Check, Requirement } from './report.js';

/**
 * What `--require` can ask for: the name of a check, and the least state that is enough. Guests work without reserved huge pages and with a
 * small limit of locked memory, so their checks are never worse than `'limited'`.
 */
const REQUIREMENTS: Readonly<Record<string, { readonly check: string; readonly least: 'works' | 'limited' }>> = {
  software: { check: 'software IOMMU', least: 'limited' },
  iommu: { check: 'IOMMU', least: 'limited' },
  vfio: { check: 'VFIO type1', least: 'limited' },
  iommufd: { check: 'iommufd', least: 'limited' },
  devices: { check: 'devices', least: 'limited' },
  kvm: { check: 'KVM', least: 'limited' },
  memlock: { check: 'locked memory', least: 'works' },
  hugepages: { check: 'huge pages', least: 'works' },
};

/** `'software, iommu, …'` */
export const REQUIREMENT_NAMES = Object.keys(REQUIREMENTS).join(', ');

/**
 * The words of the arguments of `--require`, each once: an argument may contain several, separated by commas.
 *
 * @throws UsageError for an unknown word
 */
export function parseRequirements(values: readonly string[]): readonly string[] {
  const words = values.flatMap((value) => value.split(',')).map((word) => word.trim());
  const unknown = words.find((word) => !Object.hasOwn(REQUIREMENTS, word));
  if (unknown !== undefined) {
    throw new UsageError(`--require: unknown requirement "${unknown}"; use one or more of ${REQUIREMENT_NAMES}`);
  }
  return [...new Set(words)];
}

/** Which of the requirements are met, in their order. */
export function evaluate(requirements: readonly string[], checks: readonly Check[]): readonly Requirement[] {
  return requirements.map((name) => {
    const wanted = REQUIREMENTS[name];
    const state = checks.find(({ name: check }) => check === wanted?.check)?.state ?? 'fails';
    return { name, met: state === 'works' || state === wanted?.least };
  });
}
