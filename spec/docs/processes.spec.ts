import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../lab/paths.js';
import { expectOutput, filesOf } from '../support/page-file.js';
import { UserProject } from '../support/user-project.js';
import { FakeBackEnd } from '../targets/vhost-user/support/fake-back-end.js';

const PAGE = readFileSync(join(projectRoot, 'docs/processes.md'), 'utf8');
const PROGRAMS = filesOf(PAGE);

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
  async function expectProgram(name: string, whileRunning?: () => void): Promise<void> {
    const program = PROGRAMS.find((file) => file.name === name) ?? expect.fail(`the page has no ${name}`);
    using project = new UserProject({ [name]: program.text }, ['rxjs']);
    await project.compile();
    const timer = setInterval(() => whileRunning?.(), 50);
    try {
      await expectOutput(project, program, { args: [backEnd.path] });
    } finally {
      clearInterval(timer);
    }
  }

  it('has a program that shares memory with a back end, and gives it back', async () => {
    await expectProgram('share.ts');
    expect(backEnd.isBusy).to.equal(false);
  });

  it('has a program that attaches again when the back end is gone', async () => {
    await expectProgram('reconnect.ts', () => {
      if (backEnd.regions.length > 0) {
        backEnd.die();
      }
    });
  });

  it('has no other programs', () => {
    expect(PROGRAMS).to.have.lengthOf(2);
  });
});
