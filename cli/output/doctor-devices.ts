import type { DoctorReport, IommuGroupFacts, PciDeviceFacts } from '../doctor/report.js';
import { fold } from './fold.js';
import type { Terminal } from './terminal.js';
import { displayWidth, fit, printable, truncate, wrap } from './text.js';

/** In columns: the least width of the names in the table. With less, the devices are listed. */
const NARROWEST_NAME = 24;

/** How the machine gets names of devices, if it has none. */
const NO_NAMES = 'For the names of devices: apt install pci.ids (Debian, Ubuntu), or install hwdata (others).';

interface Row {
  readonly cells: readonly string[];
  readonly name: string;
  readonly ready: boolean;
}

/** The PCI devices: a table, or a list where the terminal is too narrow. */
export function drawDevices({ facts: { iommu }, ready }: DoctorReport, terminal: Terminal): string[] {
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
  const { colours, width } = terminal;
  const note = iommu.names === null ? wrap(NO_NAMES, width - 2).map((line) => colours.dim(`  ${line}`)) : [];
  return [...(tableOf(rows, iommu.names !== null, terminal) ?? listOf(rows, terminal)), ...note];
}

const HEAD = ['group', 'device', 'id', 'kind', 'driver', 'for DMA'];

/** `undefined` if it does not fit. Names take the width that is left, and are cut to it. */
function tableOf(rows: readonly Row[], named: boolean, { colours, limit }: Terminal): readonly string[] | undefined {
  const widths = HEAD.map((title, column) =>
    Math.max(title.length, ...rows.map(({ cells }) => displayWidth(cells[column] ?? ''))),
  );
  const before = widths.reduce((sum, width) => sum + 2 + width, 0);
  const longest = Math.max(...rows.map(({ name }) => displayWidth(name)));
  const room = limit - before - 2;
  if (named ? room < Math.min(longest, NARROWEST_NAME) : limit < before) {
    return undefined;
  }
  const draw = (cells: readonly string[], name: string): string =>
    `  ${[...cells.map((cell, column) => fit(cell, widths[column] ?? 0)), truncate(name, room)].join('  ')}`.trimEnd();
  return [
    colours.dim(draw(HEAD, named ? 'name' : '')),
    ...rows.map(({ cells, name, ready }) => (ready ? colours.green : String)(draw(cells, name))),
  ];
}

function listOf(rows: readonly Row[], { colours, limit }: Terminal): readonly string[] {
  return rows.flatMap(({ cells, name, ready }) => {
    const [group = '', address = '', id = '', kind = '', driver = '', state = ''] = cells;
    return [
      `  ${address}  ${id}  ${group === '-' ? 'no group' : `group ${group}`}`,
      ...(name === '' ? [] : [`    ${name}`]),
      `    ${kind}, ${driver === '-' ? 'no driver' : `driver ${driver}`}, ${state}`,
    ]
      .flatMap((line) => fold(line, limit, 4))
      .map(ready ? colours.green : String);
  });
}

function deviceRow(
  { address, id, name, kind, driver }: PciDeviceFacts,
  group: IommuGroupFacts | undefined,
  state: string,
): Row {
  return {
    cells: [group === undefined ? '-' : String(group.number), address, id, kind, driver ?? '-', state].map(printable),
    name: printable(name ?? ''),
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
