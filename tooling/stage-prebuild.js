/**
 * Fills `prebuilds/`, where node-gyp-build looks for an addon in an installed package. What `npm run prebuild` made stays, if it belongs to
 * the present sources. Otherwise the addon of this machine goes there: whoever installs the package on the same processor, and with a C library
 * no older, needs no compiler.
 */
import { copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { prebuildProblems } from '../dist/lab/prebuild/manifest.js';

const root = join(import.meta.dirname, '..');
const problems = prebuildProblems();
if (problems.length > 0) {
  const built = join(root, 'build/Release/dma_streams.node');
  if (!existsSync(built)) {
    console.error(`${built} is not there: npm run build:native builds it`);
    process.exit(1);
  }
  const prebuilds = join(root, 'prebuilds');
  const libc = process.report.getReport().header.glibcVersionRuntime === undefined ? 'musl' : 'glibc';
  const folder = join(prebuilds, `${process.platform}-${process.arch}`);
  // What an earlier version left there would be packed as well.
  rmSync(prebuilds, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  copyFileSync(built, join(folder, `dma_streams.napi.${libc}.node`));
  if (['pack', 'publish'].includes(process.env['npm_command'])) {
    console.warn(`the package brings the addon of this machine only, because ${problems.join('; ')}: npm run prebuild`);
  }
}
