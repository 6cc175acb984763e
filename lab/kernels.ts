import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from './temporary-folder.js';
import { cacheFolder, labFile } from './paths.js';

/** The kernels that the suite runs on: one without map-by-file in iommufd, and one with it. */
export const KERNEL_VERSIONS = ['6.12', '7.3'] as const;
export type KernelVersion = (typeof KERNEL_VERSIONS)[number];

/** Names a kernel image, or a folder with images named `bzImage-VERSION`. */
export const KERNEL_VARIABLE = 'DMA_STREAMS_LAB_KERNEL';

/** The path of the image of a version, if it exists: given by the variable, otherwise in the user's cache. */
export function findKernel(version: KernelVersion): string | undefined {
  const named = process.env[KERNEL_VARIABLE];
  if (named !== undefined && named !== '' && existsSync(named)) {
    const image = statSync(named).isDirectory() ? join(named, `bzImage-${version}`) : named;
    if (existsSync(image)) {
      return image;
    }
  }
  const cached = cachedKernel(version);
  return existsSync(cached) ? cached : undefined;
}

/** Finds the image, or builds it into the user's cache, which takes minutes. @throws when the build fails */
export function ensureKernel(version: KernelVersion): string {
  const found = findKernel(version);
  if (found !== undefined) {
    return found;
  }
  const image = cachedKernel(version);
  console.error(
    `Linux ${version} for the guest has not been built yet. Building it once takes about ten minutes on two processors.\n` +
      `The image is stored as ${image}; ${KERNEL_VARIABLE} can specify another one.`,
  );
  // The build is stopped when this process ends, and its temporary files are removed.
  const build = ['--pdeathsig', 'TERM', labFile('build-kernel.sh'), version, image];
  const env = { ...process.env, TMPDIR: temporaryFolder('kernel-') };
  const { status } = spawnSync('setpriv', build, { stdio: 'inherit', env });
  if (status !== 0) {
    throw new Error(`the kernel ${version} could not be built: build-kernel.sh ended with ${String(status)}`);
  }
  return image;
}

function cachedKernel(version: KernelVersion): string {
  return cacheFolder(`bzImage-${version}`);
}
