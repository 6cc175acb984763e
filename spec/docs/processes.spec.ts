import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../lab/paths.js';
import { blocksOf, UserProject } from '../support/user-project.js';
import { FakeBackEnd } from '../targets/vhost-user/support/fake-back-end.js';

const PAGE = readFileSync(join(projectRoot, 'docs/processes.md'), 'utf8');
const PROGRAMS = blocksOf(PAGE, 'ts');

describe('docs/processes.md', function () {
  this.timeout(60_000);
  let backEnd: FakeBackEnd;

  beforeEach(async () => {
    backEnd = await FakeBackEnd.listen();
  });

  afterEach(() => {
    backEnd.close();
  });

  /** Compiles and runs a program of the page at a back end; `whileRunning` is called until it has ended. */
  async function expectOutput(name: string, whileRunning?: () => void): Promise<void> {
    const program = PROGRAMS.find((text) => text.startsWith(`// ${name}\n`)) ?? '';
    const [, output = ''] = program.split('\n// Output:\n');
    expect(output, 'the output, as a comment').to.match(/^(?:\/\/ .+\n)+$/);
    using project = new UserProject({ [name]: program }, ['rxjs']);
    await project.compile();
    const timer = setInterval(() => whileRunning?.(), 50);
    try {
      const { stdout, stderr } = await project.run([`out/${name.replace('.ts', '.js')}`, backEnd.path]);
      expect(stdout, stderr).to.equal(output.replaceAll(/^\/\/ /gm, ''));
    } finally {
      clearInterval(timer);
    }
  }

  it('has a program that shares memory with a back end, and gives it back', async () => {
    await expectOutput('share.ts');
    expect(backEnd.isBusy).to.equal(false);
  });

  it('has a program that attaches again when the back end is gone', async () => {
    await expectOutput('reconnect.ts', () => {
      if (backEnd.regions.length > 0) {
        backEnd.die();
      }
    });
  });

  it('has no other programs', () => {
    expect(PROGRAMS).to.have.lengthOf(2);
  });
});
