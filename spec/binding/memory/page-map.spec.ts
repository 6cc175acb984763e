import { expect } from 'chai';
import { PageMap } from '../../../binding/memory/page-map.js';

/** More than are kept in one part. */
const MANY = 20_000;

describe('PageMap', () => {
  for (const [what, pageOf] of [
    ['every page', (index: number) => index],
    ['every 512th page', (index: number) => index * 512],
    ['pages above 2^32', (index: number) => 2 ** 51 + index * 2 ** 33],
  ] as const) {
    it(`has the entries that a Map has, while it grows and shrinks: ${what}`, () => {
      const pages = new PageMap<number>();
      const map = new Map<number, number>();
      const same = (): void => {
        const values = [...pages.values()];
        expect(values.length).to.equal(map.size);
        expect(new Set(values)).to.have.property('size', map.size);
      };
      for (let index = 0; index < MANY; index++) {
        pages.set(pageOf(index), index);
        map.set(pageOf(index), index);
      }
      same();
      for (let index = 0; index < MANY; index += 2) {
        pages.set(pageOf(index), -index);
        map.set(pageOf(index), -index);
      }
      same();
      for (let index = 0; index < MANY; index++) {
        for (const page of [pageOf(index), pageOf(index) + 7 * 2 ** 13]) {
          if (pages.get(page) !== map.get(page)) {
            expect.fail(`page ${page} has ${pages.get(page)}, not ${map.get(page)}`);
          }
        }
      }
      for (let index = 0; index < MANY; index += 3) {
        pages.delete(pageOf(index));
        map.delete(pageOf(index));
      }
      same();
      pages.clear();
      expect([...pages.values()]).to.deep.equal([]);
      expect(pages.get(pageOf(1))).to.equal(undefined);
    });

    it(`keeps no part so large that moving its entries would block the event loop: ${what}`, () => {
      const moved = mostMoved((count) => {
        const pages = new PageMap<number>();
        for (let index = 0; index < count; index++) {
          pages.set(pageOf(index), index);
        }
      });
      expect(moved).to.be.at.most(4097);
    });
  }
});

/** The most entries of one Map while `fill` makes 200,000 entries. */
function mostMoved(fill: (count: number) => void): number {
  let most = 0;
  const set = Map.prototype.set;
  Map.prototype.set = function (this: Map<unknown, unknown>, key: unknown, value: unknown) {
    const result = set.call(this, key, value);
    most = Math.max(most, this.size);
    return result as typeof this;
  };
  try {
    fill(200_000);
  } finally {
    Map.prototype.set = set;
  }
  return most;
}
