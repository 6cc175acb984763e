import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { projectRoot } from '../../lab/paths.js';
import { temporaryFolder } from '../../lab/temporary-folder.js';

const TOOL = join(projectRoot, 'tooling/site');

interface Page {
  readonly path: string;
  readonly group: string;
}

interface Options {
  readonly entryPoints: readonly string[];
}

const load = async (file: string): Promise<unknown> => import(pathToFileURL(join(TOOL, file)).href);
const { deadLinksOf } = (await load('dead-links.js')) as { deadLinksOf(folder: string): readonly string[] };
const { pagesOf, guidesOf } = (await load('pages.js')) as {
  pagesOf(root: string): readonly Page[];
  guidesOf(root: string): readonly string[];
};
const { default: options } = (await load('typedoc.config.js')) as { default: Options };

describe('the site', () => {
  let folder: string;
  beforeEach(() => {
    folder = temporaryFolder('dma-streams-site-');
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  function write(files: Record<string, string>): void {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(join(folder, dirname(path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
  }

  it('has a module for each import path of the package, by that name', () => {
    const { exports } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as {
      exports: Record<string, string | { readonly types: string }>;
    };
    const paths = Object.entries(exports).flatMap(([path, target]) =>
      typeof target === 'string' || path === './streams'
        ? []
        : [{ path: path.replace('.', 'dma-streams'), file: target.types.replace(/^\.\/dist\/(.*)\.d\.ts$/, '$1.ts') }],
    );
    expect(options.entryPoints.toSorted()).to.deep.equal(paths.map(({ file }) => join(projectRoot, file)).toSorted());
    for (const { path, file } of paths) {
      expect(readFileSync(join(projectRoot, file), 'utf8'), file).to.contain(` * @module ${path}\n`);
    }
  });

  it('has the guides, the reference and the project, in this order', () => {
    const groups = pagesOf(projectRoot).map(({ group }) => group);
    expect([...new Set(groups)]).to.deep.equal(['Guides', 'Reference', 'The project']);
    expect(pagesOf(projectRoot).map(({ path }) => path)).to.include.members([
      'docs/troubleshooting.md',
      'CHANGELOG.md',
    ]);
  });

  describe('its guides', () => {
    it('are in the order of the links in their overview, which comes first', () => {
      write({ 'docs/guides/README.md': '[b](b.md), [a](a.md#part), [b](b.md), [c](../c.md)' });
      write({ 'docs/guides/a.md': '# A', 'docs/guides/b.md': '# B' });
      expect(guidesOf(folder)).to.deep.equal(['docs/guides/README.md', 'docs/guides/b.md', 'docs/guides/a.md']);
    });

    it('are not built without one that the overview does not link to', () => {
      write({ 'docs/guides/README.md': '[a](a.md)', 'docs/guides/a.md': '# A', 'docs/guides/b.md': '# B' });
      expect(() => guidesOf(folder)).to.throw('does not link to b.md');
    });
  });

  describe('the check of its links', () => {
    it('names files and anchors that are not there', () => {
      write({
        'index.html': `<h1 id="a b">A</h1> <a href="#a%20b">a</a> <a href="#c">c</a> <a href="part/page.html#d">d</a>
          <a href="part/page.html#e">e</a> <a href="missing.html">f</a> <a href="part/">g</a> <a href="https://example.org/">h</a>`,
        'part/page.html': '<a id="d"></a> <a href="../index.html?x=1#a%20b">up</a> <img src="../missing.png">',
      });
      expect(deadLinksOf(folder)).to.deep.equal([
        'index.html: #c',
        'index.html: part/page.html#e',
        'index.html: missing.html',
        'index.html: part/',
        'part/page.html: ../missing.png',
      ]);
    });

    it('names what is loaded from another host', () => {
      write({
        'index.html': `<script src="https://example.org/a.js"></script> <link rel="stylesheet" href="//example.org/b.css">
          <img srcset="a.png 1x, http://example.org/c.png 2x"> <img src="data:image/png;base64,AA==">`,
        'a.png': '',
      });
      expect(deadLinksOf(folder)).to.deep.equal([
        'index.html: https://example.org/a.js',
        'index.html: //example.org/b.css',
        'index.html: http://example.org/c.png',
      ]);
    });
  });
});
