import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { projectRoot } from '../../lab/paths.js';

const page = readFileSync(join(projectRoot, 'docs/architecture.md'), 'utf8');

/** A row of the table of guarantees: what is promised, the spec file, and the title of the spec, in which … stands for what varies. */
interface Proof {
  readonly promise: string;
  readonly file: string;
  readonly title: string;
}

const proofs = page.split('\n').flatMap((row): Proof[] => {
  const [, promise, file, title] = row.split('|').map((cell) => cell.trim());
  const path = /^`([\w/-]+\.spec\.ts)`$/.exec(file ?? '')?.[1];
  return promise === undefined || path === undefined || title === undefined ? [] : [{ promise, file: path, title }];
});

/** Titles as they stand in the source: quotes of a string literal are escaped there. */
function textOf(path: string): string {
  return readFileSync(join(projectRoot, path), 'utf8').replaceAll("\\'", "'").replaceAll('`', '');
}

describe('docs/architecture.md', () => {
  it('names a spec for each of many guarantees', () => {
    expect(proofs.length).to.be.at.least(30);
  });

  for (const { promise, file, title } of proofs) {
    it(`proves "${promise.replaceAll('`', '')}" by a spec that is there`, () => {
      const path = `spec/${file}`;
      expect(existsSync(join(projectRoot, path)), path).to.equal(true);
      const source = textOf(path);
      const parts = title
        .replaceAll('`', '')
        .split(/›|…/)
        .map((part) => part.trim().replace(/^[,:]\s*|[,:]$/g, ''))
        .filter((part) => part !== '');
      expect(parts.filter((part) => !source.includes(part))).to.deep.equal([]);
    });
  }

  it('names no file that is not there', () => {
    const paths =
      page.match(/`(?:streams|testing|binding|targets|sources|inspect|cli|bench|lab|spec)\/[\w/-]+\.(?:ts|cc|h)`/g) ??
      [];
    const missing = paths.map((path) => path.slice(1, -1)).filter((path) => !existsSync(join(projectRoot, path)));
    expect(missing.filter((path) => !path.includes('/my-'))).to.deep.equal([]);
    expect(paths.length).to.be.at.least(40);
  });
});

describe('the README.md of a folder', () => {
  const folders = [
    'binding',
    'binding/memory',
    'binding/iommu',
    'binding/kvm',
    'binding/sockets',
    'sources',
    'inspect',
    'inspect/server',
    'testing',
    ...foldersOf('streams'),
  ];

  for (const folder of folders) {
    it(`of ${folder}/ names each of its files`, () => {
      const text = readFileSync(join(projectRoot, folder, 'README.md'), 'utf8');
      const files = readdirSync(join(projectRoot, folder)).filter((file) => file.endsWith('.ts'));
      expect(files.filter((file) => !text.includes(`\`${file}\``))).to.deep.equal([]);
      expect(files).to.not.have.length(0);
    });
  }
});

function foldersOf(parent: string): string[] {
  return readdirSync(join(projectRoot, parent), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => `${parent}/${name}`);
}
