import { isDeepStrictEqual } from 'node:util';
import type { MemoryRange, RegionManager } from '../../../../streams/index.js';
import type { PageCopy } from './page-copy.js';

/** What a page shows, and what it should: the texts of the parts that differ. */
export function differences(copy: PageCopy, manager: RegionManager): string[] {
  return [
    ...differ(
      'regions',
      [...copy.regions.values()]
        .sort((one, other) => one.key - other.key)
        .map(({ name, pages, priority, type, access, holes }) => ({ name, pages, priority, type, access, holes })),
      manager.regions.map(({ name, range, priority, type, mapped, holes }) => ({
        ...{ name, pages: pagesOf(range), priority, type, holes },
        access: mapped === undefined ? 'unmapped' : mapped.writable ? 'writable' : 'read-only',
      })),
    ),
    ...differ(
      'mappings',
      copy.mappingList,
      manager
        .snapshot()
        .mappings.map(({ range, region, type, writable }) => ({ pages: pagesOf(range), region, type, writable })),
    ),
    ...targetDifferences(copy, manager),
  ];
}

function targetDifferences(copy: PageCopy, manager: RegionManager): string[] {
  const shown = [...copy.targets.values()].sort((one, other) => one.key - other.key);
  const attachments = [...manager.attachments];
  const names = differ(
    'targets',
    shown.map(({ name, phase }) => `${name} ${phase}`).sort(),
    attachments.map(({ target, phase }) => `${target} ${phase}`).sort(),
  );
  if (names.length > 0) {
    return names;
  }
  return attachments.flatMap((attachment) => {
    // Those that are leaving come last in the list, and keep their column.
    const target = shown.find(({ name, phase }) => name === attachment.target && phase === attachment.phase);
    if (target === undefined) {
      return [`no target ${attachment.target}`];
    }
    const ledger = attachment.ledger();
    const stuck = ledger.filter((entry) => entry.stuck);
    const missing = attachment.missing();
    const pages = ledger.reduce((sum, { range }) => sum + range.endPage - range.startPage, 0);
    const { key, name } = target;
    return [
      ...differ(
        `counts of ${name}`,
        { held: target.held, heldPages: target.heldPages, stuck: target.stuck, missing: target.missing },
        { held: ledger.length, heldPages: pages, stuck: stuck.length, missing: missing.length },
      ),
      ...differ(`held by ${name}`, distinct(copy.heldBy(key)), distinct(ledger.map(({ range }) => range.startPage))),
      ...differ(
        `stuck at ${name}`,
        copy.exceptionsOf(key, 'stuck').map((one) => one.pages[0]),
        distinct(stuck.map(({ range }) => range.startPage)),
      ),
      ...differ(
        `missing at ${name}`,
        copy.exceptionsOf(key, 'missing').map((one) => one.pages[0]),
        distinct(missing.map(({ startPage }) => startPage)),
      ),
    ];
  });
}

/** Several targets of one branch may hold the same. */
function distinct(pages: readonly number[]): readonly number[] {
  return [...new Set(pages)];
}

function pagesOf({ startPage, endPage }: MemoryRange): [number, number] {
  return [startPage, endPage];
}

function differ(what: string, shown: unknown, real: unknown): string[] {
  return isDeepStrictEqual(shown, real)
    ? []
    : [`${what}: the page has ${JSON.stringify(shown)}, the manager ${JSON.stringify(real)}`];
}
