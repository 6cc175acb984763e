/**
 * Puts the addon where node-gyp-build looks for it in an installed package, so that whoever installs it on the same processor and a C
 * library no older needs no compiler. Elsewhere `npm run build:native` in the package builds it.
 */
import { copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
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
