import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { projectRoot } from '../../lab/paths.js';

const page = readFileSync(join(projectRoot, 'docs/performance.md'), 'utf8');
const [, summary = '', ...rest] = page.split(/^## /m);
const below = rest.join('\n');

/** Rows of the table at the beginning: what, the figure of the library, the figure beside it, and how many times. */
const rows = summary
  .split('\n')
  .filter((line) => /^\| (?!what|:)/.test(line))
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .map(([, what = '', own = '', beside = '', times = '']) => ({ what, own, beside, times }));

/** The first number of a text with its unit, as in `1,602 ns`. */
function figureOf(text: string): { readonly text: string; readonly value: number; readonly unit: string } | undefined {
  const [whole, number = '', unit = ''] = /^([\d,]+(?:\.\d+)?) (ns|µs|ms|bytes|instructions)/.exec(text) ?? [];
  return whole === undefined ? undefined : { text: number, value: Number(number.replaceAll(',', '')), unit };
}

/** Whether a number is in the tables and sentences below, not as a part of a longer one. */
function isBelow(number: string, text = below): boolean {
  return new RegExp(`(?<![\\d.,])${number.replaceAll('.', '\\.')}(?![\\d]|[.,]\\d)`).test(text);
}

describe('docs/performance.md', () => {
  it('begins with what the library costs, in one small table', () => {
    expect(summary).to.match(/^What it costs, beside what\n/);
    expect(rows).to.have.length.within(10, 20);
  });

  for (const { what, own, beside, times } of rows) {
    it(`has the figures below that it gives at its beginning for "${what}"`, () => {
      const figure = figureOf(own);
      expect(figure, own).to.not.equal(undefined);
      const baseline = figureOf(beside);
      const given = [figure, baseline].flatMap((one) => (one === undefined ? [] : [one.text]));
      expect(given.filter((number) => !isBelow(number))).to.deep.equal([]);
      if (times !== '' && !isBelow(times)) {
        // It is the quotient of the two.
        expect(Number(times)).to.be.closeTo((figure?.value ?? 0) / (baseline?.value ?? 0), 0.01);
        expect(figure?.unit).to.equal(baseline?.unit);
      }
    });
  }

  it('would not pass with a figure that is only a part of one below', () => {
    expect(isBelow('1.9', '| a mapping | 1.9 ns |')).to.equal(true);
    expect(isBelow('198', 'It takes 198, in the median.')).to.equal(true);
    for (const longer of ['1,198', '198.5', '1980', '0.198', '198,000', '1198']) {
      expect(isBelow('198', `| a mapping | ${longer} ns |`), longer).to.equal(false);
    }
    expect(isBelow('1.9', '109')).to.equal(false);
  });
});
