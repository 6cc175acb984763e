import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { projectRoot } from '../../lab/paths.js';
import { MarkdownPage } from './support/markdown-page.js';
import { packed } from './support/packed-files.js';

/** The links of a page that lead nowhere in a package with these files. Links to other hosts are not looked at. */
function deadLinks(page: string, files: ReadonlySet<string>, pageAt: (path: string) => MarkdownPage): string[] {
  return pageAt(page).links.filter((link) => {
    if (/^[a-z][a-z+.-]*:/i.test(link)) {
      return false;
    }
    const [path = '', anchor] = link.split('#');
    const to = path === '' ? page : posix.join(posix.dirname(page), path).replace(/\/$/, '');
    const isThere = files.has(to) || [...files].some((file) => file.startsWith(`${to}/`));
    return !isThere || (anchor !== undefined && to.endsWith('.md') && !pageAt(to).anchors.includes(anchor));
  });
}

const pageAt = (path: string): MarkdownPage => new MarkdownPage(readFileSync(`${projectRoot}${path}`, 'utf8'));

describe('the pages in the package', () => {
  let files: ReadonlySet<string>;
  let pages: readonly string[];

  before(function () {
    this.timeout(60_000);
    files = new Set(packed().files);
    pages = [...files].filter((file) => file.endsWith('.md'));
  });

  it('are the README, the changelog, how to contribute, and all of docs/', () => {
    expect(pages).to.include.members(['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md', 'docs/kernel.md']);
  });

  it('link only to files that are in the package, and to headings that are there', () => {
    const dead = pages.flatMap((page) => deadLinks(page, files, pageAt).map((link) => `${page}: ${link}`));
    expect(dead).to.deep.equal([]);
  });

  it('name in the README only files that are in the package', () => {
    const readme = readFileSync(`${projectRoot}README.md`, 'utf8');
    const named = Array.from(
      readme.matchAll(/(?:node_modules\/dma-streams\/|[`(])((?:dist|docs|examples)\/[\w./-]*\w)/g),
      ([, path]) => path ?? '',
    );
    expect(named).to.have.length.of.at.least(20);
    const missing = named.filter((path) => !files.has(path) && ![...files].some((file) => file.startsWith(`${path}/`)));
    expect(missing).to.deep.equal([]);
  });

  it('would not pass with a link to a file or a heading that is missing', () => {
    const page = new MarkdownPage(
      '# Title\n\n[a](b.md) [b](#title) ![c](c.png) [d](#none) [e](https://example.org/) <img src="d.png">',
    );
    expect(deadLinks('a/page.md', new Set(['a/page.md', 'a/c.png']), () => page)).to.deep.equal([
      'b.md',
      '#none',
      'd.png',
    ]);
  });
});
