import { isUsable } from '../doctor/device-report.js';
import type { DeviceReport, DoctorReport } from '../doctor/report.js';
import { drawChecks, drawCures, section } from './doctor-checks.js';
import { drawRequired, drawVerdict } from './doctor-text.js';
import type { Terminal } from './terminal.js';
import { printable } from './text.js';

/** The report about devices as text: what each requires, the fixes, and whether it can be used now. */
export function drawDeviceReport({ devices, required }: DoctorReport, terminal: Terminal): string[] {
  return [
    ...devices.flatMap((device) =>
      section(device.address, drawChecks(device.checks, terminal), terminal, printable(labelOf(device))),
    ),
    ...drawCures(
      devices.flatMap(({ checks }) => checks),
      terminal,
    ),
    ...devices.flatMap((device) => drawVerdict(verdict(device), isUsable(device), terminal)),
    ...drawRequired(required, terminal),
  ];
}

function labelOf({ name, kind, id }: DeviceReport): string {
  return `${name ?? kind}, ${id}`;
}

function verdict({ address, type1, iommufd, checks }: DeviceReport): string {
  if (checks.length === 0) {
    return `${address} was removed while it was examined.`;
  }
  const ways = [...(type1 ? ['VFIO type1'] : []), ...(iommufd ? ['iommufd'] : [])];
  return ways.length === 0 ? `${address} cannot be used yet.` : `${address} can be used through ${ways.join(' and ')}.`;
}
