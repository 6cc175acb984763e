import type { Check, Cure, DoctorFacts, IommuGroupFacts, PciDeviceFacts, Readiness } from '../doctor/report.js';
import type { Terminal } from './terminal.js';
import { counted, displayWidth, fit, printable, wrap } from './text.js';

export interface DoctorReport {
  readonly facts: DoctorFacts;
  readonly checks: readonly Check[];
  readonly ready: Readiness;
}

/** For people: how each part is, the devices, what to do, and what can be used now. */
export function drawDoctor(report: DoctorReport, terminal: Terminal): string[] {
  const { colours } = terminal;
  const section = (title: string, lines: readonly string[], note = ''): string[] =>
    lines.length === 0 ? [] : [colours.bold(title) + (note === '' ? '' : colours.dim(`  ${note}`)), ...lines, ''];
  const cures = report.checks.flatMap(({ name, cures: all }) => all.map((cure) => ({ name, cure })));
  return [
    ...section('DMA on this machine', drawChecks(report.checks, terminal)),
    ...section('PCI devices', drawDevices(report, terminal), 'an IOMMU group is given away as a whole'),
    ...section(
      'What to do',
      cures.flatMap(({ name, cure }) => drawCure(name, cure, terminal)),
      '# as root, $ as anybody',
    ),
    ...drawReadiness(report, terminal),
  ];
}

function drawChecks(checks: readonly Check[], { colours, unicode, width }: Terminal): string[] {
  const marks = {
    works: colours.green(unicode ? '✓' : 'ok '),
    limited: colours.yellow(unicode ? '!' : '!  '),
    fails: colours.red(unicode ? '✗' : 'no '),
  };
  const markWidth = unicode ? 1 : 3;
  const nameWidth = Math.max(...checks.map(({ name }) => displayWidth(name)));
  const before = 2 + markWidth + 1 + nameWidth + 2;
  return checks.flatMap(({ name, state, says }) => {
    const [first = '', ...more] = wrap(printable(says), width - before);
    return [
      `  ${marks[state]} ${colours.bold(fit(name, nameWidth))}  ${first}`,
      ...more.map((line) => ' '.repeat(before) + line),
    ];
  });
}

interface Row {
  readonly cells: readonly string[];
  readonly ready: boolean;
}

function drawDevices({ facts: { iommu }, ready }: DoctorReport, terminal: Terminal): string[] {
  const { groups, ungrouped } = iommu;
  const usable = new Set([...ready.type1, ...ready.iommufd]);
  const refused = iommu.interruptRemapping === false ? 'interrupts' : 'VFIO fails';
  const state = (device: PciDeviceFacts, group: IommuGroupFacts): string =>
    usable.has(device.address) ? 'ready' : stateOf(device, group, refused);
  const rows = [
    ...groups.flatMap((group) => group.devices.map((device) => deviceRow(device, group, state(device, group)))),
    ...ungrouped.map((device) => deviceRow(device, undefined, 'no IOMMU')),
  ];
  if (rows.length === 0) {
    return [];
  }
  const { colours } = terminal;
  const head = ['group', 'device', 'id', 'kind', 'driver', 'for DMA'];
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map(({ cells }) => displayWidth(cells[column] ?? ''))),
  );
  const draw = (cells: readonly string[]): string =>
    `  ${cells.map((cell, column) => fit(cell, widths[column] ?? 0)).join('  ')}`.trimEnd();
  return [
    colours.dim(draw(head)),
    ...rows.map(({ cells, ready }) => (ready ? colours.green(draw(cells)) : draw(cells))),
  ];
}

function deviceRow(
  { address, id, kind, driver }: PciDeviceFacts,
  group: IommuGroupFacts | undefined,
  state: string,
): Row {
  return {
    cells: [group === undefined ? '-' : String(group.number), address, id, kind, driver ?? '-', state].map(printable),
    ready: state === 'ready',
  };
}

/** Why a device cannot be used. `refused` is the reason where its files could be opened. */
function stateOf({ bound, foreign, file }: PciDeviceFacts, group: IommuGroupFacts, refused: string): string {
  if (group.firmwareRanges.length > 0) {
    return 'kept by firmware';
  }
  if (!bound) {
    const neighbours = group.devices.some((device) => device.bound);
    return foreign ? (neighbours ? 'in the way' : 'not bound') : neighbours ? 'idle' : 'not bound';
  }
  if (!group.viable) {
    return 'group not free';
  }
  return group.file.access === 'allowed' || file?.access === 'allowed' ? refused : `file ${group.file.access}`;
}

/** Commands stay whole, to be copied: they may be wider than the terminal. */
function drawCure(name: string, { says, commands, root }: Cure, { colours, width }: Terminal): string[] {
  const [first = '', ...more] = wrap(`${name}: ${printable(says)}`, width - 4);
  return [
    `  - ${colours.bold(first.slice(0, name.length + 1))}${first.slice(name.length + 1)}`,
    ...more.map((line) => `    ${line}`),
    ...commands.map((command) => colours.cyan(`      ${root ? '#' : '$'} ${printable(command)}`)),
  ];
}

function drawReadiness({ ready }: DoctorReport, { colours, unicode, width }: Terminal): string[] {
  const mark = ready.software ? (unicode ? '✓' : 'ok:') : unicode ? '✗' : 'failed:';
  const colour = ready.software ? colours.green : colours.red;
  return wrap(closing(ready), width - mark.length - 1).map((line, index) =>
    colour(colours.bold(`${index === 0 ? mark : ' '.repeat(mark.length)} ${line}`)),
  );
}

function closing({ software, type1, iommufd }: Readiness): string {
  if (!software) {
    return 'Software IOMMUs do not work here, and so nothing does.';
  }
  const real = [
    ...(type1.length === 0 ? [] : [`VFIO type1 (${counted(type1.length, 'device')})`]),
    ...(iommufd.length === 0 ? [] : [`iommufd (${counted(iommufd.length, 'device')})`]),
  ];
  return real.length === 0
    ? 'Software IOMMUs work. A real one cannot be used yet.'
    : `Ready for use: ${['software IOMMUs', ...real].join(', ')}.`;
}
