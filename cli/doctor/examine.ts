import { release } from 'node:os';
import { Iommufd, VfioContainer } from '../../binding/index.js';
import { lookAtIommu } from './iommu.js';
import { dmaEntryLimit, lookAtHugePages, lookAtLockedMemory, maxMapCount } from './limits.js';
import { deviceFile, switchOf, THIS_MACHINE, type MachineRoots } from './machine-files.js';
import type { DoctorFacts } from './report.js';
import { lookAtAddon, lookAtNode } from './runtime.js';
import { trySoftware } from './software.js';
import { attempt, attemptLater } from './trial.js';
import { tryVirtualMachine } from './virtual-machine.js';

/**
 * Examines the machine without changing it. Everything that it opens is closed again.
 *
 * Never fails: what cannot be examined is reported as missing.
 *
 * @param roots the file systems to read; trials always run on this machine
 */
export async function examine(roots: MachineRoots = THIS_MACHINE): Promise<DoctorFacts> {
  let mapsFiles: boolean | null = null;
  const iommufd = attempt(() => {
    using opened = Iommufd.open();
    mapsFiles = opened.supportsMapFile;
  });
  let slots: number | null = null;
  const runs = await attemptLater(async () => {
    slots = await tryVirtualMachine();
  });
  return {
    kernel: release(),
    architecture: process.arch,
    node: lookAtNode(),
    addon: lookAtAddon(),
    software: await attemptLater(trySoftware),
    iommu: lookAtIommu(roots),
    vfio: {
      file: deviceFile(`${roots.dev}/vfio/vfio`),
      open: attempt(() => {
        VfioContainer.open().close();
      }),
      dmaEntryLimit: dmaEntryLimit(roots),
      allowsUnsafeInterrupts: switchOf(roots, 'vfio_iommu_type1', 'allow_unsafe_interrupts'),
    },
    iommufd: {
      file: deviceFile(`${roots.dev}/iommu`),
      open: iommufd,
      mapsFiles,
      allowsUnsafeInterrupts: switchOf(roots, 'iommufd', 'allow_unsafe_interrupts'),
    },
    kvm: { file: deviceFile(`${roots.dev}/kvm`), runs, slots },
    lockedMemory: lookAtLockedMemory(roots),
    hugePages: lookAtHugePages(roots),
    maxMapCount: maxMapCount(roots),
  };
}
