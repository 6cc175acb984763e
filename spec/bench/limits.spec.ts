import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { kernelQuestions } from '../../bench/kernel/index.js';
import { questions } from '../../bench/questions/index.js';
import type { Figure, Samples } from '../../bench/support/question.js';
import * as limits from '../../bench/support/limits.js';
import { projectRoot } from '../../lab/paths.js';

/** What the tables of the documentation say of each limit, by the constants. */
const texts: Readonly<Record<string, string>> = {
  STD_MAP_RATIOS: byCount(limits.STD_MAP_RATIOS, 'at', 'mappings'),
  GROWTH: byCount(limits.GROWTH, 'to'),
  ANY_OVERLAP_INSTRUCTIONS_RATIO: `${limits.ANY_OVERLAP_INSTRUCTIONS_RATIO} times in instructions`,
  'BRANCH_RATIO, BRANCH_INSTRUCTIONS_RATIO': `${limits.BRANCH_RATIO} times in time, ${limits.BRANCH_INSTRUCTIONS_RATIO} times in instructions`,
  IDLE_INSTRUCTIONS: `${limits.IDLE_INSTRUCTIONS.toLocaleString('en')} instructions`,
  ATTACH_RATIOS: byCount(limits.ATTACH_RATIOS, 'with', 'mappings'),
  TOGGLE_MICROSECONDS: byCount(limits.TOGGLE_MICROSECONDS, 'with', 'mapping', 'µs'),
  HEAP_BYTES: `${limits.HEAP_BYTES} bytes`,
  RESERVATION_MIB: `${limits.RESERVATION_MIB} MiB`,
  STALL_MS: `${limits.STALL_MS} ms`,
  BY_FILE_RATIOS:
    `${limits.BY_FILE_RATIOS.oneByOne.alone} times one by one, ${limits.BY_FILE_RATIOS.sets.alone} times in sets, ` +
    `${limits.BY_FILE_RATIOS.large.alone} times from 2 MiB on`,
  BY_VA_RATIOS: `${limits.BY_VA_RATIOS.sets.alone} times in sets, ${limits.BY_VA_RATIOS.large.alone} times from 2 MiB on`,
  SLOTS_RATIO: `${limits.SLOTS_RATIO} times in instructions`,
  'HOT_ATTACH_RATIO, HOT_ATTACH_INSTRUCTIONS_RATIO': `${limits.HOT_ATTACH_RATIO} times in time, ${limits.HOT_ATTACH_INSTRUCTIONS_RATIO} times in instructions`,
  COPY_RATIOS: `${limits.COPY_RATIOS.small} times for 64 bytes, ${limits.COPY_RATIOS.large} times for 1 MiB`,
  PARALLEL_RATIO: `${limits.PARALLEL_RATIO} times`,
  VHOST_USER_RATIOS: `${limits.VHOST_USER_RATIOS.oneByOne} times one by one, ${limits.VHOST_USER_RATIOS.sets} times in sets`,
  BARRIERS_OF_A_SET: String(limits.BARRIERS_OF_A_SET),
  PAGE_REDRAW_MS: `${limits.PAGE_REDRAW_MS} ms`,
  INSPECT_RATIO: `${limits.INSPECT_RATIO} times`,
};

/** `1.6 times at 10,000 mappings, 1.3 times at 100,000`. */
function byCount(values: Readonly<Record<number, number>>, word: string, noun = '', unit = 'times'): string {
  return Object.entries(values)
    .map(([count, value], index) =>
      `${value} ${unit} ${word} ${Number(count).toLocaleString('en')} ${index === 0 ? noun : ''}`.trim(),
    )
    .join(', ');
}

/** The rows of the tables of a page, cell by cell. */
function rowsOf(path: string): string[][] {
  const lines = readFileSync(join(projectRoot, path), 'utf8').split('\n');
  return lines.filter((line) => line.startsWith('| ')).map((line) => line.split('|').map((cell) => cell.trim()));
}

describe('the limits of the benches', () => {
  const architecture = rowsOf('docs/architecture.md');
  const performance = rowsOf('docs/performance.md');

  it('are all named here', () => {
    const named = Object.keys(texts).flatMap((name) => name.split(', '));
    expect(named.toSorted()).to.deep.equal(Object.keys(limits).toSorted());
  });

  for (const [constants, text] of Object.entries(texts)) {
    it(`of ${constants} are those that the documentation names`, () => {
      const cell = constants.replaceAll(/\w+/g, '`$&`');
      const [, what, atMost] = architecture.find(([, , , name]) => name === cell) ?? [];
      expect(atMost).to.equal(text);
      const [, , same] = performance.find(([, name]) => name === what) ?? [];
      expect(same).to.equal(text);
    });
  }
});

/** Samples of all figures that could be measured: each id that is asked for has some. */
class AllSamples extends Map<string, readonly number[]> {
  override get(id: string): readonly number[] {
    return super.get(id) ?? [id.endsWith('size') ? 1024 : 2];
  }

  override has(): boolean {
    return true;
  }
}

describe('the questions of the benches', () => {
  const samples: Samples = new AllSamples();
  const limited = (figures: readonly Figure[]): Figure[] => figures.filter(({ atMost }) => atMost !== undefined);
  const of = (name: string): readonly Figure[] => questions.find((one) => one.name === name)?.figures(samples) ?? [];

  it('limit a change to multiples, and its time to nothing', () => {
    const change = limited(of('change'));
    expect(change.filter(({ unit }) => unit !== 'times')).to.deep.equal([]);
    const ratios = change.filter(({ id }) => !id.startsWith('growth/'));
    expect(Object.fromEntries(ratios.map(({ id, atMost }) => [id, atMost]))).to.deep.equal({
      'change/10000/1/64/random/ratio': 1.6,
      'change/100000/1/64/random/ratio': 1.3,
      'change/1000000/1/64/random/ratio': 0.8,
      'change/branch/10000/1/ratio': 1.05,
      'change/branch/10000/64/ratio': 1.05,
      'change/branch/100000/1/ratio': 1.05,
      'change/branch/100000/64/ratio': 1.05,
    });
  });

  it('limit times as such only where no baseline does the same', () => {
    const times = questions
      .flatMap((question) => limited(question.figures(samples)))
      .filter(({ unit }) => ['ns', 'µs', 'ms'].includes(unit));
    const kinds = new Set(times.map(({ id }) => (id.endsWith('/stall') ? 'stall' : id.split('/')[0])));
    expect([...kinds].toSorted()).to.deep.equal(['page', 'stall', 'toggle']);
  });

  it('limit copies from and to guest memory as multiples of copies without it', () => {
    expect(Object.fromEntries(limited(of('copy')).map(({ id, atMost }) => [id, atMost]))).to.deep.equal({
      'copy/ratio/read 64': 1.3,
      'copy/ratio/read 1 MiB': 1.1,
      'copy/ratio/write 1 MiB': 1.1,
    });
  });

  it('limit adding a region at a vhost-user back end by both ways, and the barriers of a set', () => {
    expect(Object.fromEntries(limited(of('vhost-user')).map(({ id, atMost }) => [id, atMost]))).to.deep.equal({
      'vhost-user/daemon/1/target/ratio': 1.3,
      'vhost-user/daemon/1/manager/ratio': 1.3,
      'vhost-user/daemon/32/target/ratio': 1.1,
      'vhost-user/daemon/32/manager/ratio': 1.1,
      'vhost-user/program/64/target/ratio': 1.1,
      'vhost-user/program/64/manager/ratio': 1.1,
      'vhost-user/program/500/barriers': 1,
    });
  });

  it('limit maps and unmaps on a real IOMMU in time as in instructions', () => {
    const cycle = limited(kernelQuestions.find(({ name }) => name === 'cycle')?.figures(samples) ?? []);
    const byFile = cycle.filter(({ id }) => id.startsWith('cycle/iommufd by file'));
    expect(Object.fromEntries(byFile.map(({ id, atMost }) => [id.split('/')[2], atMost]))).to.deep.equal({
      '4 KiB, one by one': 2.5,
      '4 KiB, sets of 64': 1.6,
      '4 KiB, sets of 4,096': 1.6,
      '2 MiB, one by one': 1.02,
      '2 MiB, sets of 64': 1.02,
      '1024 MiB, one by one': 1.02,
    });
    const byVa = cycle.filter(({ id }) => id.startsWith('cycle/type1'));
    expect(Object.fromEntries(byVa.map(({ id, atMost }) => [id.split('/')[2], atMost]))).to.deep.equal({
      '4 KiB, sets of 64': 1.75,
      '4 KiB, sets of 4,096': 1.75,
      '2 MiB, one by one': 1.02,
      '2 MiB, sets of 64': 1.02,
      '1024 MiB, one by one': 1.02,
    });
  });
});
