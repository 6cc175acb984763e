import {
  DmaUnmapError,
  MemoryRange,
  RegionManager,
  type Attachment,
  type Backing,
  type MapChange,
  type Mappable,
  type RamParams,
  type Region,
  type RegionEdit,
  type RegionManagerOptions,
  type VaMapper,
} from '../../../streams/index.js';
import { FakeMappable } from '../../../testing/index.js';
import type { VaBatches } from '../../support/va-batches.js';
import { FaultPlan, FaultyTarget, FaultyVaMapper, type Watched, type SettledTarget } from './faults.js';
import type { Edit } from './page-model.js';

/** The files, VA mapper and back ends with which the model is compared. */
export interface ModelWorld {
  /** The files with the names 'a' and 'b'. */
  readonly files: ReadonlyMap<string, Mappable>;
  readonly vaMapper: (plan: FaultPlan) => Watched & VaMapper;
  /** The back end of the target with the unmap shape `superset`. */
  readonly inner?: SettledTarget;
}

/** A world of fakes. `batches`: how the VA mapper handles batches. */
export function fakes(batches: VaBatches): ModelWorld {
  return {
    files: new Map(['a', 'b'].map((label) => [label, new FakeMappable(label)])),
    vaMapper: (plan) => new FaultyVaMapper(plan, batches),
  };
}

/**
 * The manager under test with two targets: one that needs VAs and has the unmap shape `superset`, and one that is attached and detached and has
 * the unmap shape `exact`.
 */
export class Real {
  readonly plan = new FaultPlan();
  readonly va: Watched & VaMapper;
  warnings = 0;
  readonly manager: RegionManager;
  readonly wide: FaultyTarget;
  readonly exact: FaultyTarget;
  readonly regions: Region[] = [];
  readonly attachments = new Map<FaultyTarget, Attachment>();
  readonly #files: ModelWorld['files'];

  constructor({ files, vaMapper, inner }: ModelWorld, options: Pick<RegionManagerOptions, 'hostAddresses'> = {}) {
    this.#files = files;
    this.va = vaMapper(this.plan);
    this.manager = new RegionManager({ ...options, vaMapper: this.va, onWarning: () => (this.warnings += 1) });
    this.wide = new FaultyTarget(this.plan, this.va, { name: 'wide', needsVa: true, inner });
    this.exact = new FaultyTarget(this.plan, this.va, {
      name: 'exact',
      unmapShape: 'exact',
      reply: () => Promise.resolve(),
      batches: true,
    });
  }

  async attach(target: FaultyTarget): Promise<void> {
    this.attachments.set(target, await this.manager.attach(target));
  }

  async detach(target: FaultyTarget): Promise<void> {
    await this.attachments.get(target)?.detach();
    this.attachments.delete(target);
  }

  async run(edits: readonly Edit[]): Promise<void> {
    const [first] = edits;
    if (edits.length === 1 && first !== undefined) {
      await this.#runAlone(first);
      return;
    }
    const fresh: Region[] = [];
    try {
      await this.manager.transaction((edit) => {
        for (const one of edits) {
          doEdit(edit, one, [...this.regions, ...fresh], fresh, this.#files);
        }
      });
    } catch (error) {
      if (error instanceof DmaUnmapError) {
        this.regions.push(...fresh); // It took effect.
      }
      throw error;
    }
    this.regions.push(...fresh);
  }

  /** Does an edit by the method of the region. */
  async #runAlone(edit: Edit): Promise<void> {
    if (edit.kind === 'add region') {
      this.regions.push(await this.manager.addRegion(regionParams(edit)));
      return;
    }
    if (edit.kind === 'add ram') {
      try {
        this.regions.push(await this.manager.addRam(ramParams(edit, this.#files)));
      } catch (error) {
        if (error instanceof DmaUnmapError) {
          this.regions.push(this.manager.regions.at(-1) as Region); // It took effect.
        }
        throw error;
      }
      return;
    }
    const region = this.regions[edit.region];
    if (region === undefined) {
      throw new Error('there is no such region');
    }
    switch (edit.kind) {
      case 'remove region':
        return region.remove();
      case 'show':
        return region.map({ writable: edit.how === 'rw' });
      case 'hide':
        return region.unmap();
      case 'add mapping':
        return region.addMapping(mappingParams(edit, this.#files));
      case 'remove mappings':
        return region.removeMappings(MemoryRange.ofPages(edit.start, edit.end));
    }
  }
}

function doEdit(
  edit: RegionEdit,
  one: Edit,
  regions: readonly Region[],
  fresh: Region[],
  files: ModelWorld['files'],
): void {
  if (one.kind === 'add region') {
    fresh.push(edit.addRegion(regionParams(one)));
    return;
  }
  if (one.kind === 'add ram') {
    fresh.push(edit.addRam(ramParams(one, files)));
    return;
  }
  const region = regions[one.region];
  if (region === undefined) {
    throw new Error('there is no such region');
  }
  switch (one.kind) {
    case 'remove region':
      edit.removeRegion(region);
      break;
    case 'show':
      edit.map(region, { writable: one.how === 'rw' });
      break;
    case 'hide':
      edit.unmap(region);
      break;
    case 'add mapping':
      edit.addMapping(region, mappingParams(one, files));
      break;
    case 'remove mappings':
      edit.removeMappings(region, MemoryRange.ofPages(one.start, one.end));
      break;
  }
}

function regionParams({ start, end, priority, type }: Extract<Edit, { kind: 'add region' }>) {
  return { name: 'region', range: MemoryRange.ofPages(start, end), priority, type };
}

function mappingParams(
  { start, end, writable, memory }: Extract<Edit, { kind: 'add mapping' }>,
  files: ModelWorld['files'],
) {
  return { rangeInRegion: MemoryRange.ofPages(start, end), writable, backing: backingOf(memory, files) };
}

function ramParams(
  { start, end, priority, memory }: Extract<Edit, { kind: 'add ram' }>,
  files: ModelWorld['files'],
): RamParams {
  const params = { name: 'region', range: MemoryRange.ofPages(start, end), priority };
  const backing = backingOf(memory, files);
  // The two ways to say the same, each for half of the places.
  return backing === 'private' || start % 2 === 0
    ? { ...params, backing }
    : { ...params, backing: backing.mappable, fileOffset: backing.fileOffset };
}

function backingOf(memory: string, files: ModelWorld['files']): Backing {
  const [label = '', page = '0'] = memory.split('@');
  const mappable = files.get(label);
  return mappable === undefined ? 'private' : { mappable, fileOffset: BigInt(page) * 4096n };
}

/** A mapping in the notation of the model. */
export function inModelWords({ range, writable, backing, type }: MapChange): string {
  const memory = backing === 'private' ? 'private' : `${backing.mappable.label}@${backing.fileOffset / 4096n}`;
  return `${range.startPage}-${range.endPage} ${writable ? 'rw' : 'ro'} ${memory} ${type}`;
}

export function rangeOf(mapping: string): MemoryRange {
  const [start, end] = (mapping.split(' ')[0] ?? '').split('-').map(Number);
  return MemoryRange.ofPages(start ?? 0, end ?? 0);
}
