import { parseFlatViews } from '../../sources/flat-view.js';
import { parseRegionTrees } from '../../sources/region-tree.js';
import { rankedRegions, type IsContainer, type RankedRegion } from '../../sources/ranked-regions.js';
import type { Section } from '../../sources/section.js';

/** What the monitor of QEMU prints at one moment. */
export interface Recording {
  /** `info version`. */
  readonly version: string;
  /** `info mtree -D`: with the regions that are disabled, which `info mtree` leaves out, while it prints what is in them. */
  readonly tree: string;
  /** `info mtree -f`. */
  readonly flat: string;
}

const COMMANDS = { version: 'info version', tree: 'info mtree -D', flat: 'info mtree -f' } as const;

/** Asks the monitor, which must not let the machine run in between. */
export async function record(monitor: (line: string) => Promise<string>): Promise<Recording> {
  return {
    version: await monitor(COMMANDS.version),
    tree: await monitor(COMMANDS.tree),
    flat: await monitor(COMMANDS.flat),
  };
}

/** As a user of the monitor would see it. */
export function toTranscript(recording: Recording): string {
  // A dump of a memory map ends with an empty line.
  const said = (text: string): string => {
    const plain = text.replaceAll('\r', '');
    return `${plain.trimEnd()}${plain.endsWith('\n\n') ? '\n' : ''}`;
  };
  return (['version', 'tree', 'flat'] as const)
    .map((key) => `(qemu) ${COMMANDS[key]}\n${said(recording[key])}\n`)
    .join('');
}

export function fromTranscript(text: string): Recording {
  const said = new Map(
    text
      .split(/^\(qemu\) /m)
      .map((part) => [part.slice(0, part.indexOf('\n')), part.slice(part.indexOf('\n') + 1)] as const),
  );
  const answer = (command: string): string => {
    const found = said.get(command);
    if (found === undefined) {
      throw new Error(`the transcript has no '${command}'`);
    }
    return found;
  };
  return { version: answer(COMMANDS.version), tree: answer(COMMANDS.tree), flat: answer(COMMANDS.flat) };
}

/** An address space of a machine: the regions that it consists of, and what QEMU makes of them. */
export interface AddressSpaceOfQemu {
  readonly name: string;
  /** What comes first wins. */
  readonly regions: readonly RankedRegion[];
  readonly sections: readonly Section[];
}

/** All address spaces: that of memory, that of ports, that of each processor and each PCI device. */
export function addressSpacesOf({ tree, flat }: Recording): readonly AddressSpaceOfQemu[] {
  const trees = parseRegionTrees(tree);
  const views = parseFlatViews(flat);
  return [...trees.addressSpaces].map(([name, root]) => {
    const sections = views.find(({ addressSpaces }) => addressSpaces.includes(name))?.sections;
    if (sections === undefined) {
      throw new Error(`'info mtree -f' has no view of the address space '${name}'`);
    }
    return { name, regions: rankedRegions(root, trees, containersBy(sections)), sections };
  });
}

/**
 * Whether a region of the kind `i/o` is a container, by the flat view: it is one if no part of it shows. Before QEMU had the kind `container`, a
 * container without regions in it was printed as registers are.
 */
function containersBy(shown: readonly Section[]): IsContainer {
  return ({ name, kind }, base, start, end) =>
    kind === 'container' ||
    (kind === 'i/o' &&
      !shown.some((one) => one.name === name && one.start < end && start < one.end && one.start - one.offset === base));
}

export function memoryOf(recording: Recording): AddressSpaceOfQemu {
  const memory = addressSpacesOf(recording).find(({ name }) => name === 'memory');
  if (memory === undefined) {
    throw new Error("there is no address space 'memory'");
  }
  return memory;
}
