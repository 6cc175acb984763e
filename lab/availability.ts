import { findKernel, KERNEL_VARIABLE, KERNEL_VERSIONS, type KernelVersion } from './kernels.js';
import { missingPackages } from './packages.js';

/** Whether the guest can run now, without installing or building anything: on which kernel, or why not. */
export type Availability =
  | { readonly available: true; readonly version: KernelVersion; readonly kernel: string }
  | { readonly available: false; readonly why: string };

export function labAvailability(): Availability {
  const missing = missingPackages();
  if (missing.length > 0) {
    return { available: false, why: `${missing.join(', ')} not installed: npm run lab:setup installs it` };
  }
  for (const version of KERNEL_VERSIONS.toReversed()) {
    const kernel = findKernel(version);
    if (kernel !== undefined) {
      return { available: true, version, kernel };
    }
  }
  return { available: false, why: `no kernel for the guest: npm run lab:setup builds it, or set ${KERNEL_VARIABLE}` };
}
