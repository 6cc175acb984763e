import type { DoctorReport, Readiness, Requirement } from '../doctor/report.js';
import { drawChecks, drawCures, section } from './doctor-checks.js';
import { drawDevices } from './doctor-devices.js';
import type { Terminal } from './terminal.js';
import { counted, wrap } from './text.js';

/** The report as text: the state of each part, the devices, the fixes, and what can be used now. */
export function drawDoctor(report: DoctorReport, terminal: Terminal): string[] {
  const { checks, ready, required } = report;
  const devices = drawDevices(report, terminal);
  return [
    ...section('DMA on this machine', drawChecks(checks, terminal), terminal),
    ...section('PCI devices', devices, terminal, 'an IOMMU group can only be assigned as a whole'),
    ...drawCures(checks, terminal),
    ...drawVerdict(closing(ready), ready.software, terminal),
    ...drawRequired(required, terminal),
  ];
}

/** The last lines: what is required, and whether it is met. */
export function drawRequired(required: readonly Requirement[], terminal: Terminal): string[] {
  const list = (met: boolean): string =>
    required
      .filter((requirement) => requirement.met === met)
      .map(({ name }) => name)
      .join(', ');
  const missing = list(false);
  return required.length === 0
    ? []
    : missing === ''
      ? drawVerdict(`Required and met: ${list(true)}.`, true, terminal)
      : drawVerdict(`Required, but not met: ${missing}.`, false, terminal);
}

export function drawVerdict(text: string, good: boolean, { colours, unicode, width }: Terminal): string[] {
  const mark = good ? (unicode ? '✓' : 'ok:') : unicode ? '✗' : 'failed:';
  const colour = good ? colours.green : colours.red;
  return wrap(text, width - mark.length - 1).map((line, index) =>
    colour(colours.bold(`${index === 0 ? mark : ' '.repeat(mark.length)} ${line}`)),
  );
}

function closing({ software, type1, iommufd, kvm }: Readiness): string {
  if (!software) {
    return 'Software IOMMUs do not work on this machine, so no target can be used.';
  }
  const real = [
    ...(type1.length === 0 ? [] : [`VFIO type1 (${counted(type1.length, 'device')})`]),
    ...(iommufd.length === 0 ? [] : [`iommufd (${counted(iommufd.length, 'device')})`]),
  ];
  const virtual = kvm ? ['KVM'] : [];
  return real.length === 0
    ? `${['Software IOMMUs', ...virtual].join(' and ')} work. No real IOMMU can be used yet.`
    : `Ready for use: ${['software IOMMUs', ...real, ...virtual].join(', ')}.`;
}
