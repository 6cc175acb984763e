import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DmaError } from '../streams/index.js';
import { elfProblem } from './elf-file.js';

/** The folder of this file. Bundlers take `new URL('…', import.meta.url)` for a file that they have to copy, hence not that way. */
const here = dirname(fileURLToPath(import.meta.url));

/** The package folder, two levels above dist/binding. */
const root = join(here, '../../');

const require = createRequire(import.meta.url);

/** Where the addon is in a bundle, in which this is no file of the package. */
const besideBundle = join(here, 'dma_streams.node');

/** What works without the addon, wherever Node.js runs. */
const WITHOUT_ADDON =
  'Without it work regions and streams, LoggingTarget, SoftIommuTarget on files (model "iommufd"), dma-streams/testing, dma-streams/sources and dma-streams/inspect.';

/**
 * Loads the addon of this machine: one that was built in the package folder, or else a prebuilt one. A file that would not suit this process
 * is not given to the dynamic linker.
 *
 * @throws DmaError `ERR_ADDON_MISSING` if there is none for this machine; `ERR_ADDON_UNUSABLE` if it is damaged, for another processor, of
 * another version of the package, or cannot be linked; `ERR_LINUX_ONLY` on another system. The hint has the command that builds it.
 */
export function loadAddon(): object {
  const path = addonFile();
  let problem: string | undefined;
  let addon: object;
  try {
    problem = elfProblem(path);
    addon = problem === undefined ? (require(path) as object) : {};
  } catch (cause) {
    // For instance a library that is missing, or a C library older than the one it was linked with.
    const [reason = ''] = (cause instanceof Error ? cause.message : String(cause)).split('\n');
    throw unusable(
      `the native addon cannot be loaded: ${reason.includes(path) ? reason : `${path}: ${reason}`}`,
      cause,
    );
  }
  problem ??= versionProblem(addon);
  if (problem !== undefined) {
    throw unusable(`the native addon ${path} ${problem}`);
  }
  return addon;
}

/**
 * The path of the addon: one that was built in the package folder, or else a prebuilt one.
 *
 * @throws DmaError `ERR_ADDON_MISSING` if there is none for this machine, `ERR_LINUX_ONLY` on another system
 */
export function addonFile(): string {
  if (process.platform !== 'linux') {
    throw new DmaError(
      `this needs Linux, and the system is ${process.platform}: dma-streams has no native addon for it`,
      {
        code: 'ERR_LINUX_ONLY',
        hint: WITHOUT_ADDON,
      },
    );
  }
  if (isBundled()) {
    if (existsSync(besideBundle)) {
      return besideBundle;
    }
    throw new DmaError('this program is a bundle, and the native addon of dma-streams is not beside it', {
      code: 'ERR_ADDON_MISSING',
      hint: `${bundleHint()} ${WITHOUT_ADDON}`,
    });
  }
  try {
    return (require('node-gyp-build') as { resolve(folder: string): string }).resolve(root);
  } catch (cause) {
    throw new DmaError(`there is no native addon of dma-streams for ${process.platform} on ${process.arch}`, {
      code: 'ERR_ADDON_MISSING',
      hint: `${buildHint()} ${WITHOUT_ADDON}`,
      cause,
    });
  }
}

/** How to get an addon that suits: by building it in the package folder, or, for a bundle, by copying it. */
export function buildHint(): string {
  if (isBundled()) {
    return bundleHint();
  }
  const build = root.includes(`${sep}node_modules${sep}`)
    ? '`npm explore dma-streams -- npm run build:native`, in the folder of the program that depends on it'
    : `\`npm run build:native\`, in ${root}`;
  return `Build it with ${build}. It needs a C++20 compiler, make and Python 3 (Debian, Ubuntu: apt install g++ make python3).`;
}

function unusable(message: string, ...causes: readonly unknown[]): DmaError {
  return new DmaError(message, {
    code: 'ERR_ADDON_UNUSABLE',
    hint: `Install the package again. If that does not help: ${buildHint()}`,
    ...(causes.length > 0 && { cause: causes[0] }),
  });
}

/** Its functions change from version to version, and the code that calls them with it. A bundle does not know the version of its code. */
function versionProblem(addon: { readonly version?: string }): string | undefined {
  if (isBundled()) {
    return undefined;
  }
  const version = manifest()?.version;
  return addon.version === version
    ? undefined
    : `is of version ${addon.version ?? 'unknown'}, and the package is ${version ?? 'without a version'}`;
}

function bundleHint(): string {
  return `Leave dma-streams out of the bundle (esbuild: --external:dma-streams), or copy the addon of the same version of the package, prebuilds/*/*.node, to ${besideBundle}: see docs/guides/bundlers.md of the package.`;
}

/** Whether a bundler has put this file into another one: then two folders above it is not the package. */
function isBundled(): boolean {
  return manifest()?.name !== 'dma-streams';
}

function manifest(): { readonly name?: string; readonly version?: string } | undefined {
  try {
    return JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as {
      readonly name?: string;
      readonly version?: string;
    };
  } catch {
    return undefined;
  }
}
