import type { PciDevice } from '../../binding/index.js';
import { isBridge } from '../bind/uses.js';
import { checkDevice } from './check-device.js';
import { reportOf } from './diagnose.js';
import { findDevices } from './find-devices.js';
import type { MachineRoots } from './machine-files.js';
import type { DeviceReport, DoctorFacts, DoctorReport } from './report.js';
import { evaluate } from './requirements.js';

/**
 * The devices that a word of the command line means: one, or those of a group that can be assigned, which bridges are not.
 *
 * @throws UsageError if there are none
 */
export function devicesToCheck(word: string, roots: MachineRoots): readonly PciDevice[] {
  const { devices } = findDevices(word, roots);
  const assignable = devices.filter((device) => !isBridge(device, roots.sys));
  return assignable.length === 0 ? devices : assignable;
}

/** The report about devices. `vfio`, `iommufd` and `devices` then require that each of them can be used that way. */
export function deviceReportOf(
  devices: readonly PciDevice[],
  facts: DoctorFacts,
  requirements: readonly string[],
  roots: MachineRoots,
): DoctorReport {
  const report = reportOf(facts);
  const reports = devices.map((device) => checkDevice(device, facts, roots));
  const answers = reports.map((one) =>
    evaluate(requirements, [
      ...one.checks,
      { name: 'devices', state: isUsable(one) ? 'works' : 'fails', says: '', cures: [] },
      ...report.checks,
    ]),
  );
  const required = requirements.map((name, index) => ({ name, met: answers.every((all) => all[index]?.met === true) }));
  return { ...report, devices: reports, required };
}

/** Whether a device can be used now, in at least one way. */
export function isUsable({ type1, iommufd }: DeviceReport): boolean {
  return type1 || iommufd;
}
