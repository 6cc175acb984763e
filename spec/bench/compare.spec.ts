import { expect } from 'chai';
import { compareRuns, drawComparison } from '../../bench/support/compare.js';
import type { Figure, Unit } from '../../bench/support/question.js';
import { makeResults, type Results } from '../../bench/support/results.js';
import { FigureMaker } from '../../bench/support/statistics.js';

const ROUNDS = [0.98, 0.99, 1, 1, 1, 1.01, 1.02];

function figure(id: string, median: number, unit: Unit = 'ns', rounds = ROUNDS): Figure[] {
  return new FigureMaker(new Map([[id, rounds.map((factor) => factor * median)]])).figure(id, id, unit);
}

function runOf(...figures: readonly Figure[][]): Results {
  const question = { name: 'made up', title: '', about: '', warnings: [], figures: figures.flat() };
  return makeResults({ where: 'host', quick: false, calibration: 'loop', questions: [question] });
}

function countedRunOf(...figures: readonly Figure[][]): Results {
  return { ...runOf(...figures), counted: 'instructions' };
}

function verdicts(before: Results, now: Results): Record<string, string> {
  return Object.fromEntries(compareRuns(before, now).comparisons.map(({ id, verdict }) => [id, verdict]));
}

describe('the comparison of two runs', () => {
  it('tells what is more, what is less, and what is noise', () => {
    const before = runOf(figure('loop', 5), figure('up', 100), figure('down', 100), figure('same', 100));
    const now = runOf(figure('loop', 5), figure('up', 150), figure('down', 60), figure('same', 103));
    expect(verdicts(before, now)).to.deep.equal({ loop: 'same', up: 'more', down: 'less', same: 'same' });
    const ratios = compareRuns(before, now).comparisons.map(({ id, ratio }) => [id, ratio.toFixed(2)]);
    expect(Object.fromEntries(ratios)).to.include({ up: '1.50', down: '0.60' });
  });

  it('takes a wide spread for noise', () => {
    const wide = [0.4, 0.5, 0.8, 1, 1.5, 2, 3];
    const before = runOf(figure('loop', 5), figure('wide', 100, 'ns', wide));
    const now = runOf(figure('loop', 5), figure('wide', 150, 'ns', wide));
    const [, compared] = compareRuns(before, now).comparisons;
    expect(compared).to.include({ id: 'wide', verdict: 'same' });
    expect(compared?.low).to.be.lessThan(1);
    expect(compared?.high).to.be.greaterThan(1);
  });

  it('takes the speed of the machine out of times, and out of nothing else', () => {
    const before = runOf(
      figure('loop', 5),
      figure('time', 100),
      figure('heap', 200, 'bytes'),
      figure('growth', 2, 'times'),
    );
    const slower = runOf(
      figure('loop', 10),
      figure('time', 200),
      figure('heap', 200, 'bytes'),
      figure('growth', 2, 'times'),
    );
    expect(compareRuns(before, slower).machine).to.equal(2);
    expect(verdicts(before, slower)).to.include({ time: 'same', heap: 'same', growth: 'same' });
    const larger = runOf(
      figure('loop', 10),
      figure('time', 100),
      figure('heap', 400, 'bytes'),
      figure('growth', 4, 'times'),
    );
    expect(verdicts(before, larger)).to.include({ time: 'less', heap: 'more', growth: 'more' });
  });

  it('goes by the id, and counts what only one of the runs has', () => {
    const before = runOf(figure('loop', 5), figure('gone', 100), figure('share', 10, '%'));
    const now = runOf(figure('loop', 5), figure('new', 100), figure('share', 90, '%'));
    const { comparisons, unmatched } = compareRuns(before, now);
    expect(comparisons.map(({ id }) => id)).to.deep.equal(['loop']);
    expect(unmatched).to.equal(2);
  });

  it('is drawn with both values, the ratio and its spread', () => {
    const before = runOf(figure('loop', 5), figure('up', 100));
    const now = runOf(figure('loop', 5), figure('up', 150));
    const text = drawComparison(compareRuns(before, now), before, now);
    expect(text).to.match(/up .* 100 ns .* 150 ns .* 1\.50 .* 1\.4\d to 1\.5\d .* MORE/);
    expect(text).to.contain('2 figures compared: 1 more, 0 less, 1 within the noise');
  });

  it('takes more than 2 % of counted instructions for a change, and has no use for the speed of the machine', () => {
    const before = countedRunOf(
      figure('loop', 5),
      figure('up', 1000, 'instructions', [1]),
      figure('down', 1000, 'instructions', [1]),
      figure('same', 1000, 'instructions', [1]),
      figure('ratio', 2, 'times', [1]),
    );
    const now = countedRunOf(
      figure('loop', 10),
      figure('up', 1025, 'instructions', [1]),
      figure('down', 975, 'instructions', [1]),
      figure('same', 1015, 'instructions', [1]),
      figure('ratio', 2.05, 'times', [1]),
    );
    const runs = compareRuns(before, now);
    expect(runs).to.include({ machine: 1, noise: 0.02 });
    expect(verdicts(before, now)).to.include({ up: 'more', down: 'less', same: 'same', ratio: 'more' });
    const text = drawComparison(runs, before, now);
    expect(text).to.contain('Instructions were counted').and.to.contain('by more than 2 %').and.to.contain('1,025');
    expect(text).not.to.contain('The calibration loop');
  });
});
