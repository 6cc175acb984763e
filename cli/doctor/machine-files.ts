import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs';
import { codeOf } from '../errors.js';
import type { DeviceFile } from './report.js';

/** The mount points of the kernel's file systems, and the folder of shared data. */
export interface MachineRoots {
  readonly sys: string;
  readonly proc: string;
  readonly dev: string;
  readonly share: string;
}

export const THIS_MACHINE: MachineRoots = { sys: '/sys', proc: '/proc', dev: '/dev', share: '/usr/share' };

/** The text of a file without surrounding white space; `undefined` if it cannot be read. */
export function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** The integer that a file contains; `null` if there is none. */
export function numberOf(path: string): number | null {
  const text = textOf(path) ?? '';
  return /^\d+$/.test(text) ? Number(text) : null;
}

/** The value of a boolean parameter of a kernel module; `null` if there is no such module or parameter. */
export function switchOf({ sys }: MachineRoots, module: string, parameter: string): boolean | null {
  const text = textOf(`${sys}/module/${module}/parameters/${parameter}`);
  return text === undefined ? null : text === 'Y';
}

/** The names in a folder, in natural sort order; empty if there is no such folder. */
export function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  } catch {
    return [];
  }
}

export function deviceFile(path: string): DeviceFile {
  if (!existsSync(path)) {
    return { path, access: 'missing' };
  }
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return { path, access: 'allowed' };
  } catch (error) {
    return { path, access: codeOf(error) === 'EPERM' ? 'forbidden' : 'denied' };
  }
}
