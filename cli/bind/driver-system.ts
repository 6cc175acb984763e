import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { shellCommand, type BindStep } from '../../binding/iommu/bind-steps.js';
import { THIS_MACHINE, type MachineRoots } from '../doctor/machine-files.js';
import { codeOf, messageOf } from '../errors.js';

/** What changes drivers: the kernel of this machine, or one that a test imitates. */
export interface DriverSystem {
  readonly roots: MachineRoots;
  /** Whether this process may change drivers. */
  readonly isRoot: boolean;
  /**
   * Performs a step.
   *
   * @throws Error with the reason
   */
  perform(step: BindStep): Promise<void>;
}

/** The kernel of this machine. */
export const THIS_KERNEL: DriverSystem = {
  roots: THIS_MACHINE,
  isRoot: process.geteuid?.() === 0,
  perform: (step) => (step.kind === 'load' ? load(step.module) : write(step.path, step.line)),
};

/** Where modprobe is; the PATH of a user often lacks these. */
const SYSTEM_FOLDERS = '/usr/sbin:/sbin';

async function load(module: string): Promise<void> {
  const env = { ...process.env, PATH: `${process.env.PATH ?? '/usr/bin:/bin'}:${SYSTEM_FOLDERS}` };
  try {
    await promisify(execFile)('modprobe', [module], { env });
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
    throw new Error(
      `${codeOf(error) === 'ENOENT' ? 'there is no modprobe' : said === '' ? messageOf(error) : said}; the module ${module} may be missing: this kernel may be built without it (CONFIG_VFIO_PCI)`,
      { cause: error },
    );
  }
}

async function write(path: string, line: string): Promise<void> {
  const file = await open(path, constants.O_WRONLY);
  try {
    await file.write(`${line}\n`);
  } finally {
    await file.close();
  }
}

/** A step that failed, as a command, with the reason. */
export function failureOf(step: BindStep, error: unknown): string {
  const hint = codeOf(error) === 'EROFS' ? ' (/sys is mounted read-only: in a container, do this on the host)' : '';
  return `"${shellCommand(step)}" failed: ${messageOf(error)}${hint}`;
}

/**
 * Checks that this process may change drivers.
 *
 * @throws Error with the command that does the same as root
 */
export function requireRoot({ isRoot }: DriverSystem): void {
  if (!isRoot) {
    const command = [process.execPath, ...process.argv.slice(1)].map(quoted).join(' ');
    throw new Error(`nothing was changed: only root may change drivers; run sudo ${command}`);
  }
}

/** A word for a shell. */
function quoted(word: string): string {
  return /^[\w./:@%+=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
