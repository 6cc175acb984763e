import { execFileSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { projectRoot } from '../../lab/paths.js';
import { temporaryFolder } from '../../lab/temporary-folder.js';
import { openPage } from './support/inspected.js';
import type { OpenedPage } from './support/opened-page.js';

/** A page of each kind. */
const PAGES = [
  'index.html',
  'guides/vmm-memory.html',
  'troubleshooting.html',
  'performance.html',
  'modules/dma-streams.html',
  'classes/dma-streams.RegionManager.html',
];

describe('the site, opened as files', () => {
  let folder: string;

  before(function () {
    this.timeout(180_000);
    folder = temporaryFolder('dma-streams-site-');
    const options = ['--options', join(projectRoot, 'tooling/site/typedoc.config.js'), '--out', folder];
    execFileSync(process.execPath, [join(projectRoot, 'node_modules/typedoc/bin/typedoc'), ...options], {
      cwd: projectRoot,
    });
  });

  after(() => {
    rmSync(folder, { recursive: true });
  });

  async function open(path: string, width: number, scheme: 'light' | 'dark' = 'light'): Promise<OpenedPage> {
    const file = join(folder, path);
    expect(existsSync(file), path).to.equal(true);
    const opened = await openPage(pathToFileURL(file).href, { width, scheme });
    await opened.until(
      () => opened.evaluate<boolean>(`document.readyState === 'complete' && document.body.style.display !== 'none'`),
      (isShown) => isShown,
      path,
    );
    return opened;
  }

  for (const [width, scheme] of [
    [1400, 'light'],
    [1400, 'dark'],
    [360, 'light'],
  ] as const) {
    it(`has no page that is wider than ${width} pixels, and none without its pictures (${scheme})`, async () => {
      for (const path of PAGES) {
        await using opened = await open(path, width, scheme);
        expect(await opened.evaluate('document.documentElement.scrollWidth'), path).to.be.at.most(width);
        const broken = await opened.until(
          () =>
            opened.evaluate<string[]>(
              '[...document.images].filter((one) => !(one.complete && one.naturalWidth > 0)).map((one) => one.src)',
            ),
          (sources) => sources.length === 0,
          `the pictures of ${path}`,
        );
        expect(broken).to.deep.equal([]);
        expect(faultsOf(opened), path).to.deep.equal([]);
      }
    });
  }

  for (const [word, expected] of [
    ['addRam', 'addRam'],
    ['ENOMEM', 'Troubleshooting'],
    ['attaching', 'Attaching while the machine runs'],
  ] as const) {
    it(`finds "${word}"`, async () => {
      await using opened = await open('index.html', 1400);
      await opened.page.click('#tsd-search-trigger');
      await opened.page.type('#tsd-search-input', word);
      const results = await opened.until(
        () =>
          opened.evaluate<string[]>(
            `[...document.querySelectorAll('#tsd-search-results li a')].map((one) => one.textContent)`,
          ),
        (found) => found.length > 0,
        'a result',
      );
      expect(results.slice(0, 3).join('\n')).to.contain(expected);
      expect(faultsOf(opened)).to.deep.equal([]);
    });
  }
});

/** What went wrong, but for the icons: TypeDoc puts them into the page where a file may not load another one. */
function faultsOf({ faults }: OpenedPage): readonly string[] {
  return faults.filter((fault) => !/^console: Unsafe attempt to load URL .*icons\.svg/.test(fault));
}
