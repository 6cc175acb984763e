import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { projectRoot } from '../../lab/paths.js';
import { temporaryFolder } from '../../lab/temporary-folder.js';
import { LIBRARY_ERRORS } from '../../streams/contracts/error-codes.js';
import { ERRORS } from '../../streams/contracts/errno.js';

const TOOL = join(projectRoot, 'tooling/troubleshooting');
const PATH = join(projectRoot, 'docs/troubleshooting.md');

/** What the tool finds of an error in the sources. */
interface Finding {
  readonly code: string;
  readonly says: readonly string[];
  readonly hints: readonly string[];
  readonly when: string;
  readonly file: string;
}

const { findingsOf } = (await import(pathToFileURL(join(TOOL, 'findings.js')).href)) as {
  findingsOf(root: string): readonly Finding[];
};
const { pageOf } = (await import(pathToFileURL(join(TOOL, 'page.js')).href)) as {
  pageOf(codes: object, errnos: object, findings: readonly Finding[]): string;
};

describe('docs/troubleshooting.md', function () {
  this.timeout(120_000);
  const page = readFileSync(PATH, 'utf8');

  let findings: readonly Finding[];
  before(() => {
    findings = findingsOf(projectRoot);
  });

  let folder: string;
  beforeEach(() => {
    folder = temporaryFolder('dma-streams-errors-');
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  it('is what the sources say: npm run docs:errors writes it', () => {
    expect(pageOf(LIBRARY_ERRORS, ERRORS, findings)).to.equal(page);
  });

  it('is told by --check from one that the sources do not say', () => {
    const stale = join(folder, 'stale.md');
    writeFileSync(stale, page.replace('use a larger granule', 'use a smaller granule'));
    const { status, stderr } = spawnSync(process.execPath, [join(TOOL, 'main.js'), '--check', stale], {
      encoding: 'utf8',
    });
    expect(stderr).to.equal(`${stale} is not what the sources say: npm run docs:errors writes it.\n`);
    expect(status).to.equal(1);
  });

  it('has every code that is in the sources, with an anchor of its own', () => {
    const texts = ['streams', 'binding', 'targets', 'sources', 'testing', 'inspect'].flatMap((name) =>
      readdirSync(join(projectRoot, name), { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.ts') && !file.startsWith('page/'))
        .map((file) => readFileSync(join(projectRoot, name, file), 'utf8')),
    );
    const used = new Set(texts.flatMap((text) => text.match(/(?<=')ERR_[A-Z_]+(?=')/g) ?? []));
    for (const code of [...used, ...Object.keys(LIBRARY_ERRORS), 'ABORT_ERR', 'ERR_UNKNOWN']) {
      expect(page, code).to.contain(`| <a id="${code.toLowerCase()}"></a>\`${code}\` | `);
    }
    expect(used.size).to.be.at.least(30);
  });

  it('has every error of the kernel, and advice where the sources compare with it', () => {
    const missing = Object.entries(ERRORS).filter(([code, [number]]) => !page.includes(`\`${code}\` (${number})`));
    expect(missing).to.deep.equal([]);
    const advised = new Set(findings.flatMap(({ code, hints }) => (hints.length > 0 ? [code] : [])));
    const often = ['ENOMEM', 'ENOSPC', 'EINVAL', 'EPERM', 'EACCES', 'EBUSY', 'EFAULT', 'EEXIST', 'ENODEV', 'EMFILE'];
    expect(often.filter((code) => !advised.has(code))).to.deep.equal([]);
  });

  describe('what it finds in sources', () => {
    function findingsIn(source: string): readonly Finding[] {
      mkdirSync(join(folder, 'binding'));
      writeFileSync(join(folder, 'binding/any.ts'), source);
      return findingsOf(folder);
    }

    it('is the code, the message and the hint of an error that is made', () => {
      const source =
        "throw new DmaError(`no room for ${range.toString()}`, { code: 'ERR_FULL', hint: `make ${count} free` });";
      const [finding] = findingsIn(source);
      expect(finding).to.deep.include({ code: 'ERR_FULL', says: ['no room for RANGE'], hints: ['make COUNT free'] });
    });

    it('is the advice for a number, in a switch and in a comparison', () => {
      const found = findingsIn(`
        const { EBUSY, EIO, ENOENT } = ERRNO;
        /** Hint for a failed attempt. */
        function hintOf(errno: number): string | undefined {
          switch (errno) {
            case EBUSY:
            case ERRNO.EPERM:
              return 'wait for it';
          }
          return errno === EIO || errno === ENOENT ? \`look at \${path}\` : undefined;
        }
      `);
      expect(found.map(({ code, hints, when }) => [code, ...hints, when])).to.deep.equal([
        ['EBUSY', 'wait for it', 'Hint for a failed attempt'],
        ['EPERM', 'wait for it', 'Hint for a failed attempt'],
        ['EIO', 'look at PATH', 'Hint for a failed attempt'],
        ['ENOENT', 'look at PATH', 'Hint for a failed attempt'],
      ]);
    });

    it('is what the callers say of a function that makes an error of their message', () => {
      const found = findingsIn(`
        function refusal(message: string): DmaError {
          return new DmaError(message, { code: 'EPROTO', hint: 'start it again' });
        }
        throw refusal(isFirst ? 'it says nothing' : 'it says nonsense');
      `);
      expect(found.map(({ code, says, hints }) => ({ code, says, hints }))).to.deep.equal([
        { code: 'EPROTO', says: ['it says nothing', 'it says nonsense'], hints: ['start it again'] },
      ]);
    });
  });
});
