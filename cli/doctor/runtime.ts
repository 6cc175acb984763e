import { addonFile } from '../../binding/addon.js';
import { native } from '../../binding/native.js';
import { manifest } from '../manifest.js';
import type { AddonFacts, NodeFacts } from './report.js';
import { failure } from './trial.js';

/** The Node.js that runs this program, and what the package requires of it. */
export function lookAtNode(): NodeFacts {
  const required = manifest().engines.node;
  return {
    version: process.versions.node,
    path: process.execPath,
    required,
    supported: isSupported(process.versions.node, required),
  };
}

/**
 * Whether a version satisfies a range of the form `'>=20.19'`, which is the only one that the package uses.
 *
 * @throws Error for a range of another form
 */
export function isSupported(version: string, required: string): boolean {
  const least = /^>=\s*(\d+(?:\.\d+){0,2})$/.exec(required)?.[1];
  if (least === undefined) {
    throw new Error(`the range "${required}" of Node.js versions has an unknown form`);
  }
  const has = version.split('.').map((part) => parseInt(part, 10));
  for (const [index, wanted] of least.split('.').map(Number).entries()) {
    const part = has[index] ?? 0;
    if (part !== wanted) {
      return part > wanted;
    }
  }
  return true;
}

/** The native addon: which file it is, whether it loads, and if not, why. */
export function lookAtAddon(): AddonFacts {
  let path: string | null = null;
  try {
    path = addonFile();
  } catch {
    // There is none, which `native` reports as well.
  }
  const file = path === null ? null : ({ path, kind: path.includes('/prebuilds/') ? 'prebuilt' : 'built' } as const);
  try {
    native();
    return { file, trial: { works: true } };
  } catch (error) {
    const trial = failure(error);
    return {
      file,
      trial: path === null ? { ...trial, message: `none for ${process.platform}-${process.arch}` } : trial,
    };
  }
}
