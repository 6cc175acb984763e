import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs';
import { codeOf } from '../errors.js';
import type { DeviceFile } from './report.js';

/** Where the kernel shows itself. */
export interface MachineRoots {
  readonly sys: string;
  readonly proc: string;
  readonly dev: string;
}

export const THIS_MACHINE: MachineRoots = { sys: '/sys', proc: '/proc', dev: '/dev' };

/** The text of a file, without white space around it; `undefined` when it is not there or not for us. */
export function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** The whole number that a file holds; `null` when there is none. */
export function numberOf(path: string): number | null {
  const text = textOf(path) ?? '';
  return /^\d+$/.test(text) ? Number(text) : null;
}

/** What a switch of a kernel module is set to; `null` when there is no such module, or it has none. */
export function switchOf({ sys }: MachineRoots, module: string, parameter: string): boolean | null {
  const text = textOf(`${sys}/module/${module}/parameters/${parameter}`);
  return text === undefined ? null : text === 'Y';
}

/** What is in a folder, sorted as a person counts; nothing when there is no such folder. */
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
