import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { questions } from '../../bench/questions/index.js';
import { makeResults, readResults, type Results } from '../../bench/support/results.js';
import { PACKAGE } from '../cli/support/command.js';
import { hasKvm } from '../support/kvm-machine.js';
import { temporaryFolder } from '../../lab/temporary-folder.js';

interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program of bench/ as `npm run` would. */
function run(program: string, args: readonly string[]): Promise<Ended> {
  const file = join(PACKAGE, 'dist/bench', program);
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [file, ...args], { maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      const status = error === null ? 0 : error.code;
      if (typeof status === 'number') {
        resolve({ status, stdout, stderr });
      } else {
        reject(new Error(`${program} was ended by ${error?.signal ?? String(status)}: ${stderr}`));
      }
    });
  });
}

describe('npm run bench', function () {
  // It measures; on a busy machine that takes as long as it takes.
  this.timeout(600_000);
  const folder = temporaryFolder('dma-streams-spec-');
  const json = join(folder, 'bench.json');
  let ended: Ended;
  let results: Results;

  before(async () => {
    ended = await run('main.js', ['--quick', '--json', json]);
    expect(ended.stderr).to.equal('');
    results = readResults(json);
  });

  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const figures = (): Results['questions'][number]['figures'] => results.questions.flatMap((one) => [...one.figures]);

  it('measures every question, prints it, and ends well whatever the times are', () => {
    expect(ended.status).to.equal(0);
    expect(results.questions.map(({ name }) => name)).to.deep.equal(questions.map(({ name }) => name));
    for (const { name, title, figures: measured, warnings } of results.questions) {
      expect(ended.stdout).to.contain(title);
      // Where there is no KVM, a warning says so.
      const missing = name === 'vcpu' && !hasKvm() ? [/^NOT MEASURED, because there is no KVM here: /] : [];
      expect(measured.length > 0, title).to.equal(missing.length === 0);
      missing.forEach((says) => expect(warnings.join('\n')).to.match(says));
    }
    expect(ended.stdout).to.match(/at most/);
    expect(ended.stdout).to.match(/^\d+ of \d+ limits met$/m);
    expect(ended.stdout).to.contain(`written to ${json}`);
  });

  it('writes numbers that can be: of every round, and positive where they are times', () => {
    for (const { id, unit, samples, median, min, spread } of figures()) {
      for (const value of [...samples, median, min]) {
        expect(value, id).to.be.finite;
        // What a target holds is a difference of two heaps, which may be nothing, and then is either side of it.
        if (id !== 'memory/10000/target') {
          expect(value, id).to.be.at.least(0);
        }
      }
      expect(spread, id).to.be.finite.and.at.least(0);
      if (['ns', 'µs', 'ms', 'times'].includes(unit)) {
        expect(Math.min(...samples), id).to.be.greaterThan(0);
      }
      expect(min, id).to.equal(Math.min(...samples));
      expect(median, id).to.be.within(min, Math.max(...samples));
    }
  });

  it('gives every figure an id of its own', () => {
    const ids = figures().map(({ id }) => id);
    expect(ids).to.deep.equal([...new Set(ids)]);
  });

  it('says what is measured at the most that it should be', () => {
    const limits = new Map(figures().map(({ id, atMost }) => [id, atMost]));
    expect(limits.get('change/10000/1/64/random/ratio')).to.equal(1.6);
    expect(limits.get('change/branch/10000/1/ratio')).to.equal(1.05);
    expect(limits.get('change/branch/10000/64/ratio')).to.equal(1.05);
    expect(limits.get('toggle/1/over-ram')).to.equal(3);
    expect(limits.get('toggle/100/over-ram')).to.equal(20);
    expect(limits.get('memory/10000/all')).to.equal(200);
    expect(limits.get('memory/reservation')).to.equal(1);
  });

  it('measures the baselines in the same run, and shows figures as multiples of them', () => {
    const baselines = figures().filter(({ baseline }) => baseline === true);
    const ids = baselines.map(({ id }) => id);
    expect(ids).to.include.members([
      'change/native',
      'change/loop/1',
      'change/emitter/4',
      'change/std-map/100/1/random',
    ]);
    const single = figures().find(({ id }) => id === 'change/100/1/1/random');
    const loop = figures().find(({ id }) => id === 'change/loop/1');
    expect(single?.ratios?.['loop']).to.be.closeTo((single?.median ?? NaN) / (loop?.median ?? NaN), 1e-6);
    expect(single?.ratios?.['std::map']).to.be.greaterThan(0);
  });

  it('counts the barriers of a set at a back end', () => {
    const barriers = figures().find(({ id }) => id === 'vhost-user/program/500/barriers');
    expect(barriers?.samples).to.deep.equal([1, 1, 1]);
  });

  it('notes the machine, the time and the code', () => {
    expect(results.machine.node).to.equal(process.version);
    expect(results.machine.cpu).not.to.equal('');
    expect(Math.abs(Date.now() - Date.parse(results.date))).to.be.lessThan(3_600_000);
    expect(results.quick).to.equal(true);
    expect(results.where).to.equal('host');
  });

  it('compares with an earlier run: ratios with their spread, and an exit status that no time changes', async () => {
    const earlier = JSON.parse(readFileSync(json, 'utf8')) as {
      questions: { figures: { id: string; samples: number[]; median: number }[] }[];
    };
    for (const figure of earlier.questions.flatMap((one) => one.figures)) {
      if (figure.id === 'toggle/1/over-ram') {
        figure.samples = figure.samples.map((sample) => sample / 1e6);
        figure.median /= 1e6;
      }
    }
    const file = join(folder, 'earlier.json');
    writeFileSync(file, JSON.stringify(earlier));
    const again = await run('main.js', ['toggle', '--quick', '--json', join(folder, 'now.json'), '--compare', file]);
    expect(again.stderr).to.equal('');
    expect(again.status).to.equal(0);
    expect(again.stdout).to.match(/hide and show, 1 mapping, over RAM .* MORE /);
    expect(again.stdout).to.match(/\d\.\d\d to \d+\.\d\d/);
    expect(again.stdout).to.match(/4 figures compared: [1-4] more/);
  });

  it('draws charts and writes tables from what was measured, and leaves the rest of the page as it is', async () => {
    const page = join(folder, 'page.md');
    writeFileSync(
      page,
      '# Page\n\n<!-- bench:toggle -->\n\nold\n\n<!-- /bench:toggle -->\n\n<!-- kernel:run -->\n\nkept\n\n<!-- /kernel:run -->\n',
    );
    const args = ['--bench', json, '--kernel', join(folder, 'none.json'), '--page', page, '--charts', folder];
    const drawn = await run('docs.js', args);
    expect(drawn.status).to.equal(0);
    expect(drawn.stderr).to.contain('none.json does not exist');
    const text = readFileSync(page, 'utf8');
    expect(text).to.match(/^# Page$/m);
    expect(text).to.match(/^\| hide and show, 1 mapping, over RAM/m);
    expect(text).not.to.contain('old');
    expect(text).to.match(/<!-- kernel:run -->\n\nkept/);
    for (const chart of ['change.svg', 'beside.svg']) {
      const svg = readFileSync(join(folder, chart), 'utf8');
      expect(svg).to.match(/^<svg [^>]*viewBox/);
      expect(svg).to.contain('nanoseconds a change');
      expect(svg).not.to.match(/NaN|undefined/);
    }
  });
});

describe('npm run bench, called wrongly', () => {
  const folder = temporaryFolder('dma-streams-spec-');
  const file = (name: string, content: string): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };

  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const wrong: readonly (readonly [string, () => readonly string[], RegExp])[] = [
    ['an unknown question', () => ['nonsense'], /nonsense.*Allowed choices are (change, attach|cycle, hot-attach)/],
    ['an unknown option', () => ['--nonsense'], /unknown option '--nonsense'/],
    [
      'a file that is not there',
      () => ['--compare', join(folder, 'absent.json')],
      /absent\.json: ENOENT.*npm run bench/,
    ],
    ['a file that is not JSON', () => ['--compare', file('text.json', 'no { JSON')], /text\.json: it is not JSON/],
    [
      'JSON of something else',
      () => ['--compare', file('other.json', '{"name": "x"}')],
      /other\.json: it is no result of .*: format/,
    ],
    ['a folder', () => ['--compare', folder], /EISDIR/],
  ];
  for (const program of ['main.js', 'kernel.js']) {
    for (const [what, args, says] of wrong) {
      it(`${program}: ${what}: says so, measures nothing, and ends with 2`, async () => {
        const { status, stdout, stderr } = await run(program, args());
        expect(stderr).to.match(says);
        expect(stdout).to.equal('');
        expect(status).to.equal(2);
      }).timeout(60_000);
    }
  }

  const written = (name: string, counted: object): string =>
    file(
      name,
      JSON.stringify({
        ...makeResults({ where: 'guest', quick: true, calibration: 'none', questions: [] }),
        ...counted,
      }),
    );
  const mixed: readonly (readonly [string, () => readonly string[], RegExp])[] = [
    [
      'a question of time with --instructions',
      () => ['--instructions', 'cycle'],
      /'cycle' is measured without --instr/,
    ],
    [
      'a question of instructions without it',
      () => ['large', 'pipeline'],
      /'pipeline' is measured with --instructions/,
    ],
    [
      '--instructions beside a run that measured time',
      () => ['--instructions', '--compare', written('times.json', {})],
      /times\.json: it holds times, and no instructions; give a file of a run with --instructions/,
    ],
    [
      'time beside a run that counted instructions',
      () => ['--compare', written('counts.json', { counted: 'instructions' })],
      /counts\.json: it holds instructions, and no times; give --instructions, or/,
    ],
  ];
  for (const [what, args, says] of mixed) {
    it(`kernel.js: ${what}: says so, measures nothing, and ends with 2`, async () => {
      const { status, stdout, stderr } = await run('kernel.js', args());
      expect(stderr).to.match(says);
      expect(stdout).to.equal('');
      expect(status).to.equal(2);
    });
  }

  it('kernel.js --help says which questions are of time, and which of instructions', async () => {
    const { status, stdout } = await run('kernel.js', ['--help']);
    expect(status).to.equal(0);
    expect(stdout).to.match(/--instructions +count instructions instead of time/);
    expect(stdout).to.contain('Questions of time: cycle, hot-attach, large, vcpu.');
    expect(stdout).to.contain(
      'With --instructions: pipeline, addresses, type1, iommufd-by-va, iommufd-by-file, kvm, vcpu-exits',
    );
  });

  it('kernel.js: a large mapping without room for the sets: says so, and ends with 2', async () => {
    const { status, stderr } = await run('kernel.js', ['--size', '64']);
    expect(stderr).to.contain('at least 128');
    expect(status).to.equal(2);
  });
});
