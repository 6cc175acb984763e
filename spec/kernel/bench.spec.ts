import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { readResults } from '../../bench/support/results.js';
import { PACKAGE } from '../cli/support/command.js';
import { mapsFiles } from './support/machine.js';
import { temporaryFolder } from '../../lab/temporary-folder.js';

describe('bench:kernel, in the guest', () => {
  const folder = temporaryFolder('dma-streams-spec-');

  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('measures a large mapping at one target and at two, in every way that this kernel has', () => {
    const json = join(folder, 'kernel.json');
    const program = join(PACKAGE, 'dist/bench/kernel/guest.js');
    // The C++ loop would have to be compiled here, which takes an emulated processor long: this question does without it.
    const args = ['large', '--quick', '--size', '128', '--loop', 'none', '--vcpu-loop', 'none', '--json', json];
    const printed = execFileSync(process.execPath, [program, ...args], { encoding: 'utf8' });

    const { where, questions } = readResults(json);
    expect(where).to.equal('guest');
    const figures = questions.flatMap((question) => [...question.figures]);
    const ways = ['type1', 'iommufd by va', ...(mapsFiles() ? ['iommufd by file'] : [])];
    for (const figure of ways.flatMap((way) =>
      ['one', 'two', 'stall', 'parallel'].map((what) => `large/${way}/${what}`),
    )) {
      const { samples = [], name = '' } = figures.find(({ id }) => id === figure) ?? {};
      expect(Math.min(...samples), figure).to.be.within(Number.MIN_VALUE, Number.MAX_VALUE);
      expect(printed).to.contain(name);
    }
  });
});
