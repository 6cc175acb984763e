import { expect } from 'chai';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildNative, NativeProgram } from '../../bench/support/native-program.js';
import { drawQuestion, drawVerdict } from '../../bench/support/report.js';
import { runRounds, type Case } from '../../bench/support/rounds.js';
import { longestStall } from '../../bench/support/stall.js';
import { FigureMaker } from '../../bench/support/statistics.js';
import { temporaryFolder } from '../../lab/temporary-folder.js';

describe('the rounds of a bench', () => {
  const recording = (name: string, calls: string[], times = { rounds: 3, warmUps: 1 }): Case => ({
    ...times,
    run: () => {
      calls.push(name);
      return Promise.resolve({ [name]: calls.length });
    },
  });

  it('run every case once a round, and begin with another one each time', async () => {
    const calls: string[] = [];
    const samples = await runRounds(
      ['a', 'b', 'c'].map((name) => recording(name, calls)),
      () => undefined,
    );
    expect(calls).to.have.length(12);
    const rounds = [0, 3, 6, 9].map((at) => calls.slice(at, at + 3));
    expect(rounds.map((round) => round.toSorted().join(''))).to.deep.equal(['abc', 'abc', 'abc', 'abc']);
    expect(new Set(rounds.map(([first]) => first)).size).to.equal(3);
    expect([...samples.values()].map(({ length }) => length)).to.deep.equal([3, 3, 3]);
  });

  it('do not count what warmed up, and let a case have fewer than the others', async () => {
    const calls: string[] = [];
    const cases = [
      recording('many', calls, { rounds: 4, warmUps: 2 }),
      recording('few', calls, { rounds: 1, warmUps: 0 }),
    ];
    const samples = await runRounds(cases, () => undefined);
    expect(calls.filter((name) => name === 'many')).to.have.length(6);
    expect(calls.filter((name) => name === 'few')).to.have.length(1);
    expect(samples.get('many')).to.have.length(4);
    expect(samples.get('many')?.[0]).to.be.greaterThan(2);
  });
});

describe('a figure', () => {
  const samples = new Map([
    ['time', [10, 30, 20, 40, 1000]],
    ['loop', [1, 2, 2, 2, 10]],
  ]);
  const make = new FigureMaker(samples);

  it('is the median of its samples, with the least and the distance of the quartiles', () => {
    const [figure] = make.figure('time', 'a name', 'ns', { atMost: 25, beside: { loop: 'loop' } });
    expect(figure).to.include({ median: 30, min: 10, atMost: 25, unit: 'ns' });
    expect(figure?.spread).to.be.closeTo(20 / 30, 1e-9);
    expect(figure?.ratios).to.deep.equal({ loop: 15 });
  });

  it('that is a ratio takes it round by round', () => {
    const [figure] = make.ratio('ratio', 'a name', 'time', 'loop');
    expect(figure?.samples).to.deep.equal([10, 15, 10, 20, 100]);
    expect(figure).to.include({ median: 15, unit: 'times' });
  });

  it('is none when nothing was measured', () => {
    expect(make.figure('absent', 'a name', 'ns')).to.deep.equal([]);
    expect(make.ratio('absent', 'a name', 'time', 'absent')).to.deep.equal([]);
  });
});

describe('a table of figures', () => {
  const figures = ['a', 'b'].flatMap((id) =>
    new FigureMaker(
      new Map([
        [id, [30]],
        ['loop', [2]],
      ]),
    ).figure(id, `${id}, a change of some kind, 10,000 mappings`, 'ns', {
      atMost: id === 'a' ? 20 : 40,
      beside: { loop: 'loop' },
    }),
  );
  const question = {
    name: 'made',
    title: 'a title',
    about: 'What is measured here. '.repeat(9).trim(),
    warnings: [],
    figures,
  };

  it('has a row for each figure, where there is room', () => {
    const text = drawQuestion(question);
    expect(text).to.match(/│ a, a change .* │ +30\.0 ns │ +30\.0 │ +0 % │ +20\.0 ns │ NOT MET: 1\.50 times │ +15\.0 │/);
    expect(text).to.match(/│ b, a change .* │ met +│/);
  });

  it('is a list with all the same cells, where the terminal is narrower', () => {
    const lines = drawQuestion(question, 60).split('\n');
    expect(lines.filter((line) => line.length > 60)).to.deep.equal([]);
    expect(lines.join(' ').replaceAll(/ +/g, ' ')).to.contain(
      'a, a change of some kind, 10,000 mappings median 30.0 ns, least 30.0, spread 0 %, at most 20.0 ns, NOT MET: 1.50 times, × loop 15.0',
    );
    const verdict = drawVerdict([question], 60).split('\n');
    expect(verdict.filter((line) => line.length > 60)).to.deep.equal([]);
    expect(verdict[0]).to.equal('1 of 2 limits met');
  });
});

describe('the longest stall of the event loop', () => {
  it('is at least as long as what blocks it', async () => {
    const stall = await longestStall(async () => {
      await sleep(5);
      const end = performance.now() + 60;
      while (performance.now() < end) {
        // Blocks.
      }
    });
    expect(stall).to.be.at.least(59);
  });

  it('is seen, too, when the work never lets go of the loop', async () => {
    const stall = await longestStall(() => {
      const end = performance.now() + 60;
      while (performance.now() < end) {
        // Blocks.
      }
      return Promise.resolve();
    });
    expect(stall).to.be.at.least(59);
  });
});

describe('the C++ loops', function () {
  this.timeout(120_000);
  const folder = temporaryFolder('dma-streams-spec-');

  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('are built, and answer with times', async () => {
    const program = new NativeProgram(buildNative('map_loop', { folder }));
    for (const request of ['change 100 4 random 1000', 'change 100 1 sequential 1000', 'attach 100', 'memory 16']) {
      const times = await program.ask(request);
      expect(times, request).not.to.deep.equal([]);
      for (const time of times) {
        expect(time, request).to.be.greaterThan(0);
      }
    }
    await program.close();
  });

  it('say what is wrong with a request', async () => {
    const program = new NativeProgram(buildNative('map_loop', { folder }));
    const error = await program.ask('nonsense 1').catch((reason: unknown) => String(reason));
    expect(error).to.contain("fails at 'nonsense 1': error: what is nonsense?");
    await program.close();
  });

  it('over ioctls say which of them cannot be made, and do not crash', async () => {
    const program = new NativeProgram(buildNative('ioctl_loop', { folder }), ['iommufd', 'nonsense']);
    const error = await program.ask('attach va 4096 1').catch((reason: unknown) => String(reason));
    expect(error).to.match(/error: open .*: No such file or directory/);
  });

  it('are left out with a message that says what to install, where there is no compiler', () => {
    const other = join(folder, 'other');
    expect(() => buildNative('map_loop', { folder: other, compiler: 'no-such-compiler' })).to.throw(
      /C\+\+ loops are not measured: no-such-compiler cannot be run.*apt install g\+\+/,
    );
  });
});
