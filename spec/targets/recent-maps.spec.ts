import { expect } from 'chai';
import fc from 'fast-check';
import { MemoryRange, type DmaMapRequest } from '../../streams/index.js';
import { RecentMaps } from '../../targets/kernel/recent-maps.js';
import { request } from './support/requests.js';

const PAGE = 4096n;

function mapAt(startPage: number, pages = 1): DmaMapRequest {
  const start = BigInt(startPage) * PAGE;
  return request(MemoryRange.of(start, start + BigInt(pages) * PAGE));
}

function drained(recent: RecentMaps): number[] {
  const pages: number[] = [];
  recent.drain(({ range }) => pages.push(range.startPage));
  return pages.sort((one, other) => one - other);
}

describe('recent maps', () => {
  it('are found by their first page alone, until they are taken out', () => {
    const recent = new RecentMaps();
    const map = mapAt(7, 3);
    expect(recent.at(7), 'of none').to.equal(undefined);
    expect(recent.put(map)).to.equal(undefined);
    expect([6, 7, 8].map((page) => recent.at(page))).to.deep.equal([undefined, map, undefined]);
    recent.delete(7);
    expect(recent.at(7)).to.equal(undefined);
    expect(recent.size).to.equal(0);
  });

  it('of the same page replace each other', () => {
    const recent = new RecentMaps();
    recent.put(mapAt(7));
    const other = mapAt(7, 2);
    expect(recent.put(other)).to.equal(undefined);
    expect(recent.at(7)).to.equal(other);
    expect(recent.size).to.equal(1);
  });

  it('are lost in no way: what a map does not find any more, another one has driven out', () => {
    const pages = fc.oneof(
      fc.nat({ max: 40 }),
      fc.nat({ max: 2 ** 16 }).map((page) => page * 512),
      fc.maxSafeNat().map((page) => page % 2 ** 51),
    );
    const steps = fc.array(fc.tuple(fc.boolean(), pages), { maxLength: 400 });
    fc.assert(
      fc.property(steps, (all) => {
        const recent = new RecentMaps();
        const held = new Set<number>();
        for (const [puts, page] of all) {
          if (puts) {
            const drivenOut = recent.put(mapAt(page));
            held.add(page);
            if (drivenOut !== undefined) {
              expect(held.delete(drivenOut.range.startPage), 'was held').to.equal(true);
            }
          } else if (recent.at(page) !== undefined) {
            recent.delete(page);
            expect(held.delete(page), 'was held').to.equal(true);
          } else {
            expect(held.has(page)).to.equal(false);
          }
        }
        expect(recent.size).to.equal(held.size);
        expect(drained(recent)).to.deep.equal([...held].sort((one, other) => one - other));
        expect(recent.size).to.equal(0);
      }),
    );
  });

  for (const [stride, name] of [
    [1, 'one after another'],
    [2, 'with gaps'],
    [512, 'of 2 MiB'],
    [262_144, 'of 1 GiB'],
  ] as const) {
    it(`seldom drive each other out: a set of 64, ${name}`, () => {
      const recent = new RecentMaps();
      for (let index = 0; index < 64; index++) {
        recent.put(mapAt(0x100000 + index * stride));
      }
      expect(recent.size).to.be.at.least(60);
    });
  }
});
