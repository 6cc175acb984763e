import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { projectRoot } from '../../lab/paths.js';

function needCompiler(environment: NodeJS.ProcessEnv): { readonly status: number | null; readonly stderr: string } {
  return spawnSync(process.execPath, [`${projectRoot}tooling/need-compiler.js`], {
    encoding: 'utf8',
    env: { ...process.env, ...environment },
  });
}

describe('the check before the addon is built', () => {
  it('says nothing where all is there', () => {
    expect(needCompiler({})).to.include({ status: 0, stderr: '' });
  });

  it('says in one line what is missing, and what installs it', () => {
    expect(needCompiler({ CXX: 'no-compiler -O2', PYTHON: 'no-python' })).to.include({
      status: 1,
      stderr:
        'The addon of dma-streams cannot be built without a compiler for C++20 (no-compiler -O2), Python 3 (no-python). ' +
        'Debian, Ubuntu: apt install g++ python3\n',
    });
  });

  it('finds a compiler without its standard library', () => {
    const { status, stderr } = needCompiler({ CXX: 'g++ -nostdinc++' });
    expect(status).to.equal(1);
    expect(stderr).to.match(
      /without a compiler for C\+\+20 \(g\+\+ -nostdinc\+\+\)\. Debian, Ubuntu: apt install g\+\+\n$/,
    );
  });
});
