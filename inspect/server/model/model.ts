import { MemoryRange, type MapChange } from '../../../streams/index.js';
import { entriesFrom, RangeMap, type AttachmentHandle, type RegionState } from '../../../streams/internal.js';
import type { ChangesMessage, LogEntry, WireRegion, WireStatus } from '../../wire/messages.js';
import type { ActiveTotals } from './ledger-model.js';
import { inParts, PART_LENGTH } from './parts.js';
import { TargetModel } from './target-model.js';
import { Unsent } from './unsent.js';
import { pageCount, wireMapping, wireRegion, type Placed } from './wire.js';

/** An active mapping. */
export interface ModelMapping extends Placed {
  readonly type: MapChange['type'];
  readonly writable: boolean;
}

/** What changes of mappings are told of, for the log. */
export interface MappingChanges {
  added(mapping: Placed): void;
  removed(mapping: Placed): void;
}

/** What pages know of a manager, and what of it they have not been sent yet. */
export class Model {
  readonly #regions = new Map<number, WireRegion>();
  readonly #mappings = new RangeMap<ModelMapping>();
  #pages = 0;
  readonly #targets = new Map<AttachmentHandle, TargetModel>();
  #status: WireStatus | undefined = undefined;
  #unsent = new Unsent();

  get unsent(): Unsent {
    return this.#unsent;
  }

  get active(): ActiveTotals {
    return { count: this.#mappings.size, pages: this.#pages };
  }

  get targets(): Iterable<TargetModel> {
    return this.#targets.values();
  }

  /** All that has not been sent, with entries of the log. */
  takeUnsent(generation: number, log: readonly LogEntry[]): ChangesMessage | undefined {
    const message = this.#unsent.message(Date.now(), generation, log);
    if (message !== undefined) {
      this.#unsent = new Unsent();
    }
    return message;
  }

  /** Nobody knows the state yet: all of it will be sent to each page. */
  forgetUnsent(): void {
    this.#unsent = new Unsent();
  }

  setStatus(status: WireStatus): void {
    this.#status = status;
    this.#unsent.status = status;
  }

  putRegion(region: RegionState, access: WireRegion['access']): void {
    if (this.#regions.get(region.sequence)?.access !== access) {
      const wire = wireRegion(region, access);
      this.#regions.set(wire.key, wire);
      this.#unsent.regions.put(wire.key, wire);
    }
  }

  /** Removes the regions whose keys are not among these, in steps. All of these must be known. */
  *keepRegions(keys: ReadonlySet<number>): Generator<void> {
    if (this.#regions.size === keys.size) {
      return;
    }
    let steps = 0;
    for (const key of this.#regions.keys()) {
      if (++steps % PART_LENGTH === 0) {
        yield;
      }
      if (!keys.has(key)) {
        this.#regions.delete(key);
        this.#unsent.regions.remove(key);
      }
    }
  }

  target(handle: AttachmentHandle): TargetModel | undefined {
    return this.#targets.get(handle);
  }

  addTarget(key: number, handle: AttachmentHandle): TargetModel {
    const nextStart = (from: number, end: number): number | undefined =>
      this.#mappings.firstOverlap(MemoryRange.ofPages(from, end))?.range.startPage;
    const target = new TargetModel(key, handle, nextStart, () => this.#unsent);
    target.update(Date.now(), this.active);
    this.#targets.set(handle, target);
    return target;
  }

  removeTarget({ key, handle }: TargetModel): void {
    this.#targets.delete(handle);
    this.#unsent.targets.remove(key);
  }

  /**
   * A mapping is active, and none of those that it overlaps. Looks whether the targets hold it.
   *
   * @param before the active mapping before it, if it is known that nothing is between them
   */
  putMapping(mapping: MapChange, changes?: MappingChanges, before?: MemoryRange): void {
    const { range, region, type, writable } = mapping;
    const known = this.#mappings.startingAt(range.startPage);
    const isKnown = known?.range.equals(range) === true;
    if (!isKnown) {
      for (const overlapped of this.#mappings.overlapping(range)) {
        this.#remove(overlapped, changes);
      }
      this.#pages += pageCount(range);
      changes?.added(mapping);
    }
    if (!isKnown || known.region !== region || known.writable !== writable || known.type !== type) {
      this.#mappings.replace({ range, region, type, writable });
      this.#unsent.mappings.put(range.startPage, wireMapping(mapping));
    }
    for (const target of this.#targets.values()) {
      target.look(mapping, before);
    }
  }

  /** The mapping at exactly this range is no longer active. */
  removeMapping({ range }: Pick<Placed, 'range'>, changes?: MappingChanges): void {
    const known = this.#mappings.startingAt(range.startPage);
    if (known?.range.equals(range) === true) {
      this.#remove(known, changes);
    }
  }

  /** The page up to which there are so many mappings, from another page on. */
  mappingsEnd(from: number, most: number): number {
    return entriesFrom(this.#mappings, from, most).end;
  }

  /**
   * These are all active mappings that begin from a page on up to another one.
   *
   * @param last the active mapping before them
   */
  setMappings(
    pieces: readonly MapChange[],
    { from, end, last }: { readonly from: number; readonly end: number; readonly last: MemoryRange | undefined },
    changes?: MappingChanges,
  ): void {
    const starts = new Set(pieces.map(({ range }) => range.startPage));
    for (let page = from; page < end;) {
      const part = entriesFrom(this.#mappings, page, PART_LENGTH);
      for (const known of part.entries) {
        if (known.range.startPage < end && !starts.has(known.range.startPage)) {
          this.#remove(known, changes);
        }
      }
      page = part.end;
    }
    let before = last;
    for (const piece of pieces) {
      this.putMapping(piece, changes, before);
      before = piece.range;
    }
  }

  #remove({ range, region }: ModelMapping, changes: MappingChanges | undefined): void {
    this.#mappings.remove(range);
    this.#pages -= pageCount(range);
    this.#unsent.mappings.remove(range.startPage);
    for (const target of this.#targets.values()) {
      target.forget(range);
    }
    changes?.removed({ range, region });
  }

  /**
   * All of it for a new page, in parts. It may change between them: each part is as it is when it is made, and what changes after that is sent to
   * the page as to the others.
   */
  *parts(generation: () => number): Generator<ChangesMessage> {
    const message = (content: Partial<ChangesMessage>): ChangesMessage => ({
      type: 'changes',
      at: Date.now(),
      generation: generation(),
      ...content,
    });
    if (this.#status !== undefined) {
      yield message({ status: this.#status });
    }
    for (const regions of inParts(this.#regions.values())) {
      yield message({ regions });
    }
    for (const target of this.#targets.values()) {
      if (target.wire !== undefined) {
        yield message({ targets: [target.wire] });
      }
    }
    for (let page = 0; page < Infinity;) {
      const { entries, end } = entriesFrom(this.#mappings, page, PART_LENGTH);
      page = end;
      yield message({ mappings: entries.map(wireMapping) });
    }
    for (const target of this.#targets.values()) {
      for (const added of target.exceptions()) {
        if (!this.#targets.has(target.handle)) {
          break; // It has gone meanwhile.
        }
        yield message({ exceptions: [{ target: target.key, added }] });
      }
    }
  }
}
