import { expect } from 'chai';
import fc from 'fast-check';
import { MemoryRange, type MapChange } from '../../../streams/index.js';
import { sameMapping } from '../../../streams/changes/mapping.js';
import type { Difference } from '../../../streams/view/removals.js';
import { edits, Model, pagesOf, piecesOf, textOf } from '../support/any-overlap-model.js';
import { RegionsOnly } from '../support/regions-only.js';

/** What a target has mapped. Checks each difference, as a target would. */
class Held {
  readonly #maps = new Map<number, MapChange>();

  texts(): string[] {
    return [...this.#maps.values()].sort((a, b) => a.range.startPage - b.range.startPage).map(textOf);
  }

  apply({ unmaps, removed, maps }: Difference): void {
    const gone: MapChange[] = [];
    let end = 0;
    for (const { range, covers } of unmaps) {
      expect(range.startPage, 'unmaps are ascending and disjoint').to.be.at.least(end);
      end = range.endPage;
      const inside = [...this.#maps.values()].filter((one) => one.range.overlaps(range));
      inside.sort((a, b) => a.range.startPage - b.range.startPage);
      expect(
        inside.every((one) => range.contains(one.range)),
        `${range.toString()} cuts nothing`,
      ).to.equal(true);
      expect(covers.map(String)).to.deep.equal(inside.map((one) => one.range.toString()));
      for (const one of inside) {
        this.#maps.delete(one.range.startPage);
        gone.push(one);
      }
    }
    expect(removed.map(textOf)).to.deep.equal(gone.map(textOf));
    let last = 0;
    for (const map of maps) {
      expect(map.range.startPage, 'maps are ascending and disjoint').to.be.at.least(last);
      last = map.range.endPage;
      expect([...this.#maps.values()].some((one) => one.range.overlaps(map.range))).to.equal(false);
      expect(
        gone.some((one) => sameMapping(one, map)),
        `${map.range.toString()} was there before`,
      ).to.equal(false);
      this.#maps.set(map.range.startPage, map);
    }
  }
}

describe('regions that overlap in any way', () => {
  it('show what an array of pages shows, and each transaction changes nothing else', () => {
    fc.assert(
      fc.property(edits, fc.array(fc.nat({ max: 3 })), (transactions, failures) => {
        const model = new Model();
        const guest = new RegionsOnly('any');
        const held = new Held();
        let before: readonly string[] = [];
        for (const [index, list] of transactions.entries()) {
          let takeBack = (): void => undefined;
          const then = failures[index] === 0 ? 'roll back' : 'apply';
          const difference = guest.edit((edit) => {
            const mapped = model.handles.map((region) => region.mapped);
            takeBack = model.edit(edit, list);
            // Until the transaction takes effect.
            expect(inParts(guest, 1 + (index % 5))).to.deep.equal(before);
            expect(model.handles.slice(0, mapped.length).map((region) => region.mapped)).to.deep.equal(mapped);
          }, then);
          if (then === 'roll back') {
            takeBack();
          } else {
            held.apply(difference);
          }
          const expected = piecesOf(model.regions);
          expect(held.texts()).to.deep.equal(expected);
          expect(guest.view.allNow().map(textOf)).to.deep.equal(expected);
          expect(inParts(guest, 1 + (index % 5))).to.deep.equal(expected);
          expectLookups(guest, model, expected);
          before = expected;
        }
      }),
      { numRuns: Number(process.env['DMA_STREAMS_MODEL_RUNS'] ?? 300) },
    );
  });
});

/** All pieces, read in parts of about `most`. */
function inParts(guest: RegionsOnly, most: number): readonly string[] {
  const texts: string[] = [];
  for (let page = 0; page < 2 ** 52;) {
    const { pieces, end } = guest.view.from(page, most);
    expect(end, 'each part ends after it begins').to.be.above(page);
    expect(pieces.length, 'a part is not much longer').to.be.at.most(most);
    texts.push(...pieces.map(textOf));
    page = end;
  }
  return texts;
}

/** The view finds each piece by its range, and each region knows whether and what of it shows. */
function expectLookups(guest: RegionsOnly, { regions, handles }: Model, expected: readonly string[]): void {
  for (const text of expected) {
    const [start = 0, end = 0] = (text.split(' ')[0] ?? '').split('-').map(Number);
    const found = guest.view.at(MemoryRange.ofPages(start, end));
    expect(found === undefined ? undefined : textOf(found)).to.equal(text);
  }
  const pages = pagesOf(regions);
  for (const [index, region] of regions.entries()) {
    const isActive = pages.some((page) => page?.[0] === region);
    expect(handles[index]?.active).to.equal(isActive);
    const shown = piecesOf(regions, (one) => one === region);
    expect(handles[index]?.activeMappings.map(textOf)).to.deep.equal(shown);
    expect(handles[index]?.mapped).to.deep.equal(
      region.present && region.visible !== undefined ? { writable: region.visible === 'writable' } : undefined,
    );
    expect(handles[index]?.holes).to.equal(region.isTransparent ? 'transparent' : 'opaque');
  }
}
