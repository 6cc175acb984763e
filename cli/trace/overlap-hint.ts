import { partsOutside } from '../../streams/internal.js';
import type { Hole, PlacedSection } from './section.js';

const PRIORITY_HINT =
  '; or give the one that is to show, or both, a "priority": sections with one may overlap, and the highest shows';

/** How two sections that overlap can both be there. */
export function overlapHint(section: PlacedSection | Hole, inTheWay: PlacedSection | Hole): string {
  return cutHint(section, inTheWay) + PRIORITY_HINT;
}

function cutHint({ range }: PlacedSection | Hole, inTheWay: PlacedSection | Hole): string {
  if (range === undefined || inTheWay.range === undefined) {
    return '';
  }
  const each = 'a line each, "offset" moved along with "start"';
  const outside = partsOutside(range, inTheWay.range);
  if (outside.length > 0) {
    return `; or leave it there, and add only ${outside.join(' and ')}, ${each}`;
  }
  const rest = partsOutside(inTheWay.range, range);
  return rest.length === 0 ? '' : `; where the rest of it is to stay, add ${rest.join(' and ')} of it again, ${each}`;
}
