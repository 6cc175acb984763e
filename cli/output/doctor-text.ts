import type { Check, Cure, DoctorFacts, IommuGroupFacts, PciDeviceFacts, Readiness } from '../doctor/report.js';
import { fold, foldCommand } from './fold.js';
import type { Terminal } from './terminal.js';
import { counted, displayWidth, fit, printable, wrap } from './text.js';

export interface DoctorReport {
  readonly facts: DoctorFacts;
  readonly checks: readonly Check[];
  readonly ready: Readiness;
}

/** The report as text: the state of each part, the devices, the fixes, and what can be used now. */
export function drawDoctor(report: DoctorReport, terminal: Terminal): string[] {
  const { colours } = terminal;
  const section = (title: string, lines: readonly string[], note = ''): string[] =>
    lines.length === 0 ? [] : [colours.bold(title) + (note === '' ? '' : colours.dim(`  ${note}`)), ...lines, ''];
  const cures = report.checks.flatMap(({ name, cures: all }) => all.map((cure) => ({ name, cure })));
  return [
    ...section('DMA on this machine', drawChecks(report.checks, terminal)),
    ...section('PCI devices', drawDevices(report, terminal), 'an IOMMU group can only be assigned as a whole'),
    ...section(
      'What to do',
      cures.flatMap(({ name, cure }) => drawCure(name, cure, terminal)),
      '# as root, $ as any user',
    ),
    ...drawReadiness(report, terminal),
  ];
}

/** In columns: the least width for a check's text next to its name. */
const NARROWEST_SAYS = 28;

function drawChecks(checks: readonly Check[], { colours, unicode, width, limit }: Terminal): string[] {
  const marks = {
    works: colours.green(unicode ? '✓' : 'ok '),
    limited: colours.yellow(unicode ? '!' : '!  '),
    fails: colours.red(unicode ? '✗' : 'no '),
  };
  const markWidth = unicode ? 1 : 3;
  const nameWidth = Math.max(...checks.map(({ name }) => displayWidth(name)));
  const before = 2 + markWidth + 1 + nameWidth + 2;
  return checks.flatMap(({ name, state, says }) => {
    const title = `  ${marks[state]} ${colours.bold(fit(name, nameWidth))}`;
    if (limit - before < NARROWEST_SAYS) {
      return [title.trimEnd(), ...fold(`    ${printable(says)}`, limit, 4)];
    }
    const [first = '', ...more] = wrap(printable(says), width - before);
    return [`${title}  ${first}`, ...more.map((line) => ' '.repeat(before) + line)];
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
  const { colours, limit } = terminal;
  const head = ['group', 'device', 'id', 'kind', 'driver', 'for DMA'];
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map(({ cells }) => displayWidth(cells[column] ?? ''))),
  );
  const draw = (cells: readonly string[]): string =>
    `  ${cells.map((cell, column) => fit(cell, widths[column] ?? 0)).join('  ')}`.trimEnd();
  if ([head, ...rows.map(({ cells }) => cells)].some((cells) => displayWidth(draw(cells)) > limit)) {
    return rows.flatMap(({ cells, ready }) => listDevice(cells, terminal).map(ready ? colours.green : String));
  }
  return [
    colours.dim(draw(head)),
    ...rows.map(({ cells, ready }) => (ready ? colours.green(draw(cells)) : draw(cells))),
  ];
}

/** A device as a list entry, for terminals that are too narrow for the table. */
function listDevice(
  [group = '', address = '', id = '', kind = '', driver = '', state = '']: readonly string[],
  { limit }: Terminal,
): readonly string[] {
  return [
    `  ${address}  ${id}  ${group === '-' ? 'no group' : `group ${group}`}`,
    `    ${kind}, ${driver === '-' ? 'no driver' : `driver ${driver}`}, ${state}`,
  ].flatMap((line) => fold(line, limit, 4));
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

/** Why a device cannot be used. `refused` is the reason if its files can be opened. */
function stateOf({ bound, foreign, file }: PciDeviceFacts, group: IommuGroupFacts, refused: string): string {
  if (group.firmwareRanges.length > 0) {
    return 'reserved by firmware';
  }
  if (!bound) {
    const neighbours = group.devices.some((device) => device.bound);
    return foreign ? (neighbours ? 'blocks group' : 'not bound') : neighbours ? 'idle' : 'not bound';
  }
  if (!group.viable) {
    return 'group not viable';
  }
  return group.file.access === 'allowed' || file?.access === 'allowed' ? refused : `file ${group.file.access}`;
}

/** Commands can be copied: a shell reads a folded command as one command. */
function drawCure(name: string, { says, commands, root }: Cure, { colours, width, limit }: Terminal): string[] {
  const [first = '', ...more] = wrap(`${name}: ${printable(says)}`, width - 4);
  return [
    `  - ${colours.bold(first.slice(0, name.length + 1))}${first.slice(name.length + 1)}`,
    ...more.map((line) => `    ${line}`),
    ...commands.flatMap((command) =>
      foldCommand(`      ${root ? '#' : '$'} `, printable(command), limit).map(colours.cyan),
    ),
  ];
}

function drawReadiness({ ready }: DoctorReport, { colours, unicode, width }: Terminal): string[] {
  const mark = ready.software ? (unicode ? '✓' : 'ok:') : unicode ? '✗' : 'failed:';
  const colour = ready.software ? colours.green : colours.red;
  return wrap(closing(ready), width - mark.length - 1).map((line, index) =>
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
