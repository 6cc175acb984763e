// Bundles what runs in the browser, `inspect/page/`, to `dist/inspect/page/`: users need no build step, and the page no network.
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const from = join(root, 'inspect/page');
const to = join(root, 'dist/inspect/page');

const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: [
    { in: join(from, 'main.ts'), out: 'page' },
    { in: join(from, 'style/page.css'), out: 'page' },
  ],
  outdir: to,
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  // The licences have a file of their own.
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
});
copyFileSync(join(from, 'index.html'), join(to, 'index.html'));
writeFileSync(join(to, 'licences.txt'), licences(Object.keys(metafile.inputs)));

/** The licence of each package of which a file is in the bundle. */
function licences(inputs) {
  const packages = new Set(inputs.flatMap((file) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1] ?? []));
  return [...packages]
    .sort()
    .map((folder) => {
      const { name, version, license } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
      const file = readdirSync(join(root, folder)).find((entry) => /^licen[cs]e/i.test(entry));
      if (file === undefined) {
        throw new Error(`${folder} has no file with its licence: add the text of it to what is bundled.`);
      }
      return `${name} ${version} (${license})\n\n${readFileSync(join(root, folder, file), 'utf8').trim()}\n`;
    })
    .join(`\n${'-'.repeat(80)}\n\n`);
}
