import { MemoryRange, RegionManager, type Region, type RegionEdit } from '../../streams/index.js';
import { edited, type Meter, type Scene } from './scene.js';
import { StallTarget } from './target.js';

/** Where regions overlap in any way: one mapping that is covered at so many places, or that has so many granules. */
export const pieceScenes: readonly Scene[] = [
  piecesScene(
    'cover one mapping at many places',
    'hidden',
    ({ manager, overlays, meter }) =>
      () =>
        edited(manager, meter, (edit) => {
          for (const overlay of overlays) {
            edit.map(overlay, { writable: true });
          }
        }),
  ),
  piecesScene(
    'uncover one mapping at many places',
    'shown',
    ({ manager, overlays, meter }) =>
      () =>
        edited(manager, meter, (edit) => {
          for (const overlay of overlays) {
            edit.removeRegion(overlay);
          }
        }),
  ),
  piecesScene(
    'hide a region of many pieces',
    'shown',
    ({ ram }) =>
      () =>
        ram.unmap(),
  ),
  piecesScene(
    'remove a mapping of many pieces',
    'shown',
    ({ ram }) =>
      () =>
        ram.removeMappings(MemoryRange.ofPages(0, pagesOf(ram))),
  ),
  piecesScene(
    'cover many pieces by one region',
    'shown',
    ({ manager, ram }) =>
      () =>
        manager.transaction((edit) => {
          const over = edit.addRegion({ name: 'over', type: 'device', range: ram.range, priority: 9 });
          edit.map(over, { writable: true });
        }),
  ),
  piecesScene(
    'attach to a mapping of many pieces',
    'shown',
    ({ manager, meter }) =>
      () =>
        manager.attach(new StallTarget(meter, { name: 'other' })),
  ),
  piecesScene('show several containers of many mappings', 'none', ({ manager, ram, meter }) => {
    let containers: readonly Region[] = [];
    return async () => {
      await edited(manager, meter, (edit) => {
        edit.addMapping(ram, wholeOf(ram));
        containers = containersOver(ram, edit);
      });
      await edited(manager, meter, (edit) => {
        for (const container of containers) {
          edit.map(container, { writable: true });
        }
      });
    };
  }),
  piecesScene(
    'add a mapping of many granules',
    'none',
    ({ ram }) =>
      () =>
        ram.addMapping(wholeOf(ram, 2n * 4096n)),
  ),
];

/** The number of mappings of the specs is a multiple of it. */
const CONTAINERS = 64;

interface PiecesStage {
  readonly manager: RegionManager;
  readonly ram: Region;
  readonly overlays: readonly Region[];
  readonly meter: Meter;
}

function piecesScene(
  name: string,
  overlays: 'shown' | 'hidden' | 'none',
  play: (stage: PiecesStage) => () => Promise<unknown>,
): Scene {
  return {
    name,
    async setUp(count, meter) {
      const manager = new RegionManager({ overlap: 'any' });
      await manager.attach(new StallTarget(meter));
      const range = MemoryRange.ofPages(0, 2 * count);
      const ram = await manager.addRegion({ name: 'ram', type: 'ram', range });
      await ram.map({ writable: true });
      if (overlays !== 'none') {
        await ram.addMapping(wholeOf(ram));
      }
      const added: Region[] = [];
      await edited(manager, meter, (edit) => {
        for (let index = 0; index < (overlays === 'none' ? 0 : count); index++) {
          const page = MemoryRange.ofPages(2 * index + 1, 2 * index + 2);
          const overlay = edit.addRegion({ name: `${index}`, type: 'ram', range: page, priority: 1 });
          if (overlays === 'shown') {
            edit.map(overlay, { writable: true });
          }
          added.push(overlay);
        }
      });
      return play({ manager, ram, overlays: added, meter });
    },
  };
}

/** Adds transparent regions side by side, each of which has a mapping at every second page. */
function containersOver({ range }: Region, edit: RegionEdit): Region[] {
  const pages = (range.endPage - range.startPage) / CONTAINERS;
  return Array.from({ length: CONTAINERS }, (_, index) => {
    const part = MemoryRange.ofPages(index * pages, (index + 1) * pages);
    const holes = 'transparent';
    const container = edit.addRegion({ name: `container ${index}`, type: 'ram', range: part, priority: 1, holes });
    for (let page = 1; page < pages; page += 2) {
      edit.addMapping(container, { ...wholeOf(container), rangeInRegion: MemoryRange.ofPages(page, page + 1) });
    }
    return container;
  });
}

/** A mapping over the whole region. */
function wholeOf(region: Region, granule?: bigint): Parameters<Region['addMapping']>[0] {
  return {
    rangeInRegion: MemoryRange.ofPages(0, pagesOf(region)),
    backing: { mappable: { fd: 0, label: 'file' }, fileOffset: 0n },
    writable: true,
    ...(granule === undefined ? {} : { granule }),
  };
}

function pagesOf({ range }: Region): number {
  return range.endPage - range.startPage;
}
