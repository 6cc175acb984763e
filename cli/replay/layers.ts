import type { MapChange, MemoryRange, Region } from '../../streams/index.js';
import { partsOutside } from '../../streams/internal.js';
import { isMapped, type PlacedSection } from '../trace/section.js';

/** A part of a section that a section above it covers. */
export interface CoveredPart {
  readonly range: MemoryRange;
  readonly name: string;
}

/** A section that covers what is below it, and of which nothing is mapped. */
export interface PlacedWindow {
  readonly range: MemoryRange;
  readonly name: string;
}

/** What the list of active mappings does not tell about sections that overlap. */
export interface Layers {
  /** Memory that does not show, of the uppermost section first. */
  readonly covered: readonly CoveredPart[];
  /** The uppermost first. */
  readonly windows: readonly PlacedWindow[];
}

export const NO_LAYERS: Layers = { covered: [], windows: [] };

/** Finds what is covered among the regions of placed sections, which are given in the order in which they were added. */
export function findCovered(placed: ReadonlyMap<PlacedSection, Pick<Region, 'activeMappings'>>): Layers {
  const byRank = [...placed].sort(([{ priority: one = 0 }], [{ priority: other = 0 }]) => other - one);
  const covered: CoveredPart[] = [];
  const windows: PlacedWindow[] = [];
  for (const [section, { activeMappings }] of byRank) {
    const { name } = section;
    if (isMapped(section)) {
      // Not spread: there may be more than a call takes as arguments.
      for (const range of gaps(section.range, activeMappings)) {
        covered.push({ range, name });
      }
    } else {
      windows.push({ range: section.covers, name });
    }
  }
  return { covered, windows };
}

/** The parts of a range between ascending mappings inside it. */
function gaps(range: MemoryRange, mappings: readonly MapChange[]): readonly MemoryRange[] {
  const found: MemoryRange[] = [];
  let rest: MemoryRange | undefined = range;
  for (const mapping of mappings) {
    if (rest === undefined) {
      break;
    }
    const parts: readonly MemoryRange[] = partsOutside(rest, mapping.range);
    found.push(...parts.filter((part) => part.endPage <= mapping.range.startPage));
    rest = parts.find((part) => part.startPage >= mapping.range.endPage);
  }
  return rest === undefined ? found : [...found, rest];
}
