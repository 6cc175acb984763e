import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { addonFile } from '../../binding/addon.js';
import { projectRoot } from '../../lab/paths.js';
import { temporaryFolder } from '../../lab/temporary-folder.js';
import type { Ended } from '../cli/support/command.js';
import { outputOf } from '../support/page-file.js';
import { blocksOf, UserProject } from '../support/user-project.js';

const PAGE = readFileSync(join(projectRoot, 'docs/guides/bundlers.md'), 'utf8');
const COMMANDS = blocksOf(PAGE, 'sh').flatMap((block) => block.trim().split('\n'));
const [HTML = ''] = blocksOf(PAGE, 'html');

function programOf(name: string): string {
  return (
    blocksOf(PAGE, 'js').find((block) => block.startsWith(`// ${name}\n`)) ?? expect.fail(`no ${name} in the page`)
  );
}

/** The command of the page with these words in it. */
function commandWith(...words: readonly string[]): string {
  const found = COMMANDS.find((command) => words.every((word) => command.includes(word)));
  return found ?? expect.fail(`the page has no command with ${words.join(' ')}`);
}

describe('docs/guides/bundlers.md', function () {
  this.timeout(60_000);
  let project: UserProject;

  before(() => {
    project = new UserProject(
      { 'server.mjs': programOf('server.mjs'), 'main.js': programOf('main.js'), 'index.html': HTML },
      ['rxjs'],
    );
  });

  after(() => {
    project[Symbol.dispose]();
  });

  /** Runs `npx PROGRAM …` of the page, with the program that is installed here. */
  function npx(command: string): void {
    const [, program = '', ...args] = command.split(' ');
    const file = join(projectRoot, 'node_modules/.bin', program);
    const { status, stderr } = spawnSync(file, args, { cwd: project.directory, encoding: 'utf8' });
    expect(status, stderr).to.equal(0);
  }

  it('has a program that runs as it is', async () => {
    expect(await project.run(['server.mjs'])).to.include({ stdout: outputOf(programOf('server.mjs')), stderr: '' });
  });

  it('leaves the package out of a program for Node.js, which then finds the addon', async () => {
    npx(commandWith('esbuild', '--external:dma-streams'));
    expect(readFileSync(join(project.directory, 'out/server.mjs'), 'utf8')).to.have.length.below(2000);
    const [, file = ''] = commandWith('node out/').split(' ');
    expect(await project.run([file])).to.include({ stdout: outputOf(programOf('server.mjs')), stderr: '' });
  });

  describe('puts everything into one folder', () => {
    /** Where nothing is installed. */
    const folder = temporaryFolder('dma-streams-spec-');
    const bundle = join(folder, 'app/server.mjs');
    const addon = join(folder, 'app/dma_streams.node');

    before(() => {
      npx(COMMANDS.find((one) => one.includes('esbuild server.mjs') && !one.includes('--external')) ?? '');
      mkdirSync(dirname(bundle));
      cpSync(join(project.directory, 'out/server.mjs'), bundle);
    });

    it('without the addon: the error says what to do', async () => {
      const { status, stderr } = await project.run([bundle]);
      expect(status).to.equal(1);
      expect(stderr).to.contain('ERR_ADDON_MISSING: this program is a bundle');
      expect(stderr).to.match(
        /hint: .*--external:dma-streams.*\/app\/dma_streams\.node: see docs\/guides\/bundlers\.md/,
      );
    });

    it('with the addon: it runs', async () => {
      const [, from = '', to = ''] = commandWith('cp node_modules/dma-streams/prebuilds').split(' ');
      expect(from).to.match(/\/linux-x64\/dma_streams\.napi\.glibc\.node$/);
      expect(to).to.equal('out/dma_streams.node');
      cpSync(addonFile(), addon);
      expect(await project.run([bundle])).to.include({ stdout: outputOf(programOf('server.mjs')), stderr: '' });
    });

    it('with a damaged addon: the error names it', async () => {
      renameSync(addon, `${addon}.good`);
      writeFileSync(addon, 'not a library');
      const { stderr } = await project.run([bundle]);
      expect(stderr).to.contain("code: 'ERR_ADDON_UNUSABLE'").and.contain(addon);
      renameSync(`${addon}.good`, addon);
    });
  });

  it('bundles a page for the browser, with nothing of Node.js in it', async () => {
    npx(commandWith('vite build'));
    const assets = join(project.directory, 'dist/assets');
    const [script = ''] = readdirSync(assets).filter((file) => file.endsWith('.js'));
    const text = readFileSync(join(assets, script), 'utf8');
    expect(text).not.to.match(/["']node:|__vite-browser-external|\bprocess\.|\bBuffer\b/);
    // What the page needs of a document.
    const document = `globalThis.document = {
      createElement: () => ({ relList: { supports: () => true } }),
      body: { append: (line) => console.log(line) },
    };`;
    const fake = `data:text/javascript,${encodeURIComponent(document)}`;
    const { stdout, stderr }: Ended = await project.run(['--import', fake, join(assets, script)]);
    expect(stdout, stderr).to.equal(outputOf(programOf('main.js')));
  });
});
