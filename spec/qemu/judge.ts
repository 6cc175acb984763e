import { expect } from 'chai';
import { RegionManager, type DmaMapRequest, type Region } from '../../streams/index.js';
import { FakeMappable, RecordingTarget } from '../../testing/index.js';
import type { Section } from '../../sources/section.js';
import {
  addByBytes,
  addByPages,
  isMemory,
  joined,
  shownByBytes,
  textOf,
  wholePages,
  type Shown,
} from './judged-manager.js';
import type { AddressSpaceOfQemu } from './recording.js';

/**
 * Expects that a manager resolves the regions of an address space as QEMU does: the same ranges, names and offsets, to the byte.
 *
 * @returns the kinds with which the flat view shows each region; empty for a region that does not show
 */
export async function expectFlatView({ regions, sections }: AddressSpaceOfQemu): Promise<string[][]> {
  await using manager = new RegionManager({ overlap: 'any' });
  const handles = await manager.transaction((edit) => addByBytes(edit, regions));
  expect(joined(shownByBytes(manager)).map(textOf)).to.deep.equal(joined(sections).map(textOf));

  const byRegion = handles.map((handle) => (handle === undefined ? [] : shownByBytes(handle)));
  expect(byRegion.flat().map(textOf).sort()).to.deep.equal(shownByBytes(manager).map(textOf).sort());
  handles.forEach((handle, index) => {
    // A container shows nothing by itself; everything else shows in whole or in part, or not at all.
    expect(handle?.active ?? false, regions[index]?.name).to.equal((byRegion[index] ?? []).length > 0);
  });
  return byRegion.map((parts) => kindsOf(parts, sections));
}

function kindsOf(parts: readonly Shown[], sections: readonly Section[]): string[] {
  const kinds = sections
    .filter((section) => parts.some(({ start, end }) => start < section.end && section.start < end))
    .map(({ kind }) => kind);
  return [...new Set(kinds)];
}

/**
 * Whether each region of memory is writable. `info mtree` prints the kind of an alias as that of its target, also when the alias is read-only: so
 * this fact is taken from the flat view. A region must show with one kind everywhere.
 */
export async function accessOf(space: AddressSpaceOfQemu): Promise<boolean[]> {
  const kinds = await expectFlatView(space);
  return space.regions.map(({ name, kind, isAliased }, index) => {
    const [shown = kind, another] = kinds[index] ?? [];
    expect(another, `${name} shows as ${shown} and as another kind`).to.equal(undefined);
    expect(shown, name).to.be.oneOf(isAliased && isMemory({ kind }) ? [kind, 'rom'] : [kind]);
    return shown === 'ram' || shown === 'ramd';
  });
}

interface Piece extends Shown {
  readonly writable: boolean;
}

function pieceText(piece: Piece): string {
  return `${textOf(piece)} ${piece.writable ? 'rw' : 'ro'}`;
}

function pieceOf({ range, mappable, fileOffset, writable }: DmaMapRequest): Piece {
  const name = mappable instanceof FakeMappable ? mappable.label : 'private';
  return { start: range.start, end: range.end, name, offset: fileOffset, writable };
}

function isSameAccess(one: Piece, other: Piece): boolean {
  return one.writable === other.writable;
}

/** What a target must have mapped: the memory of a flat view, in whole pages. */
function expectedPieces(sections: readonly Section[]): string[] {
  const memory = sections.filter(isMemory).map((section) => {
    const writable = section.kind === 'ram' || section.kind === 'ramd';
    return { ...section, writable };
  });
  return joined<Piece & Section>(memory, isSameAccess).flatMap((section) => {
    const whole = wholePages(section);
    const { name, writable } = section;
    return whole === undefined
      ? []
      : [pieceText({ start: whole.range.start, end: whole.range.end, name, offset: whole.fileOffset, writable })];
  });
}

/** A manager that two targets follow, of which each has a shape of unmaps of its own. */
export class FollowedManager implements AsyncDisposable {
  readonly manager = new RegionManager({ overlap: 'any' });
  readonly targets = [
    new RecordingTarget({ name: 'superset', batches: true }),
    new RecordingTarget({ name: 'exact', unmapShape: 'exact' }),
  ] as const;
  #regions: Region[] = [];
  #highest = 0;

  async attach(): Promise<void> {
    for (const target of this.targets) {
      await this.manager.attach(target);
    }
  }

  /** Replaces all regions in one transaction. Expects that the targets are called for what differs, and for nothing else. */
  async becomeAtOnce(space: AddressSpaceOfQemu): Promise<void> {
    const access = await accessOf(space);
    const before = this.targets.map((target) => target.heldRequests().map(pieceOf).map(pieceText));
    const counts = this.targets.map(({ requests, calls }) => ({ requests: requests.length, calls: calls.length }));
    await this.manager.transaction((edit) => {
      for (const region of this.#regions) {
        edit.removeRegion(region);
      }
      this.#regions = addByPages(edit, space.regions, access);
    });
    this.expectMemoryOf(space);
    this.targets.forEach((target, index) => {
      const held = target.heldRequests().map(pieceOf).map(pieceText);
      const mapped = target.requests.slice(counts[index]?.requests).map(pieceOf).map(pieceText);
      expect(mapped).to.deep.equal(held.filter((piece) => before[index]?.includes(piece) !== true));
      const unmaps = target.calls.slice(counts[index]?.calls).filter((text) => text.startsWith('unmap'));
      const gone = before[index]?.filter((piece) => !held.includes(piece)) ?? [];
      if (target.unmapShape === 'exact') {
        expect(unmaps).to.have.length(gone.length);
      } else {
        expect(unmaps.length).to.be.at.most(gone.length);
      }
    });
  }

  /** Adds the new regions above the old ones, the lowest first, and removes the old ones: each by a command of its own. */
  async becomeOneByOne(space: AddressSpaceOfQemu): Promise<void> {
    const access = await accessOf(space);
    const old = this.#regions;
    this.#regions = [];
    for (let index = space.regions.length - 1; index >= 0; index--) {
      const one = space.regions.slice(index, index + 1);
      this.#highest += 1;
      const add = this.manager.transaction((edit) => addByPages(edit, one, access.slice(index), 1000 + this.#highest));
      this.#regions.push(...(await add));
    }
    for (const region of old) {
      await region.remove();
    }
    this.expectMemoryOf(space);
  }

  expectMemoryOf({ sections }: AddressSpaceOfQemu): void {
    const expected = expectedPieces(sections);
    for (const target of this.targets) {
      const held = joined(target.heldRequests().map(pieceOf), isSameAccess);
      expect(held.map(pieceText), target.name).to.deep.equal(expected);
      expect(target.violations).to.deep.equal([]);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.manager.close();
    expect(this.targets.flatMap((target) => target.held())).to.deep.equal([]);
  }
}
