import { existsSync } from 'node:fs';
import { shellCommand, type BindStep } from '../../binding/iommu/bind-steps.js';
import { findPciDevice } from '../../binding/index.js';
import { textOf } from '../doctor/machine-files.js';
import { failureOf, type DriverSystem } from './driver-system.js';

/** A device that shall have another driver. */
export interface DriverChange {
  readonly address: string;
  readonly steps: readonly BindStep[];
  /** Why the driver that it has after the steps is the wrong one; `undefined` if it is right. */
  readonly fault: (driver: string | undefined) => string | undefined;
}

/** What a device has: its driver, and the name in `driver_override`, which is `''` if it is not set. */
interface DriverState {
  readonly driver: string | undefined;
  readonly override: string;
}

/**
 * Performs the changes, one after the other. If one fails, those that were made are undone, the last first; modules stay loaded.
 *
 * @param waiting called when a step takes long, with its command
 * @returns the driver that each device has afterwards, by address
 * @throws Error which says what failed, and either that everything is as before, or what each device has now and which commands restore it
 */
export async function changeDrivers(
  changes: readonly DriverChange[],
  system: DriverSystem,
  waiting: (command: string) => void = () => undefined,
): Promise<ReadonlyMap<string, string | undefined>> {
  const drivers = new Map<string, string | undefined>();
  const begun: { readonly address: string; readonly before: DriverState }[] = [];
  for (const change of changes) {
    const { address } = change;
    const before = stateOf(address, system);
    if (before !== undefined) {
      begun.unshift({ address, before });
    }
    const fault = before === undefined ? GONE : await make(change, system, waiting);
    if (fault !== undefined) {
      const left: string[] = [];
      for (const one of begun) {
        left.push(...(await restore(one.address, one.before, system)));
      }
      const aftermath = left.length === 0 ? 'everything is as it was before' : left.join('; ');
      throw new Error(`${address}: ${stateOf(address, system) === undefined ? GONE : fault}; ${aftermath}`);
    }
    drivers.set(address, stateOf(address, system)?.driver);
  }
  return drivers;
}

/** The name of the driver that is set for a device; `''` if none is. */
export function overrideOf(address: string, { roots: { sys } }: Pick<DriverSystem, 'roots'>): string {
  const text = textOf(`${sys}/bus/pci/devices/${address}/driver_override`) ?? '';
  return text === '(null)' ? '' : text;
}

const GONE = 'the device is gone: it was removed in the meantime';

/** The longest time that a step takes without a message, in milliseconds. */
const PATIENCE = 3000;

/** Returns what went wrong. */
async function make(
  { address, steps, fault }: DriverChange,
  system: DriverSystem,
  waiting: (command: string) => void,
): Promise<string | undefined> {
  for (const step of steps) {
    const timer = setTimeout(() => {
      waiting(shellCommand(step));
    }, PATIENCE);
    try {
      await system.perform(step);
    } catch (error) {
      return failureOf(step, error);
    } finally {
      clearTimeout(timer);
    }
  }
  const after = stateOf(address, system);
  return after === undefined ? GONE : fault(after.driver);
}

/** Gives a device the driver and the override that it had. Returns what could not be restored; empty if the device is gone. */
async function restore(address: string, before: DriverState, system: DriverSystem): Promise<readonly string[]> {
  for (const step of restoreSteps(address, before, system)) {
    await system.perform(step).catch(() => undefined); // What matters is the state in the end.
  }
  const steps = restoreSteps(address, before, system);
  return steps.length === 0
    ? []
    : [
        `${address} is left ${describe(stateOf(address, system))}, before it was ${describe(before)}; ` +
          `to restore that, as root: ${steps.map(shellCommand).join('; ')}`,
      ];
}

function describe(state: DriverState | undefined): string {
  const driver = state?.driver === undefined ? 'without a driver' : `with driver ${state.driver}`;
  const override = state?.override ?? '';
  return override === '' ? driver : `${driver} and driver_override ${override}`;
}

/** The steps from the present state to another one. */
function restoreSteps(address: string, wanted: DriverState, system: DriverSystem): readonly BindStep[] {
  const now = stateOf(address, system);
  if (now === undefined) {
    return [];
  }
  const folder = `${system.roots.sys}/bus/pci`;
  const write = (path: string, line: string): BindStep => ({ kind: 'write', path: `${folder}/${path}`, line });
  return [
    ...(now.override === wanted.override ? [] : [write(`devices/${address}/driver_override`, wanted.override)]),
    ...(now.driver === wanted.driver || now.driver === undefined
      ? []
      : [write(`devices/${address}/driver/unbind`, address)]),
    ...(now.driver === wanted.driver || wanted.driver === undefined
      ? []
      : [write(`drivers/${wanted.driver}/bind`, address)]),
  ];
}

/** `undefined` if the device is gone. */
function stateOf(address: string, system: DriverSystem): DriverState | undefined {
  const { sys } = system.roots;
  return existsSync(`${sys}/bus/pci/devices/${address}`)
    ? { driver: findPciDevice(address, sys).driver, override: overrideOf(address, system) }
    : undefined;
}
