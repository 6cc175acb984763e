/**
 * `npm run screenshots`: makes the pictures of the page in `docs/screenshots/`, of a QEMU that boots here and of managers with what a picture is to show.
 * Names on the command line choose some of them. The times in the pictures, and the version of QEMU, differ from run to run.
 */
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { startChromium } from '../../../lab/chromium.js';
import { projectRoot } from '../../../lab/paths.js';
import { whyNoQemu } from '../../qemu/running-qemu.js';
import { OpenedPage } from '../support/opened-page.js';
import { SHOTS } from './shots.js';

const folder = join(projectRoot, 'docs/screenshots');
const chosen = process.argv.slice(2);
const unknown = chosen.find((name) => !SHOTS.some((shot) => shot.name === name));
if (unknown !== undefined) {
  console.error(
    `screenshots: there is no '${unknown}': give none, or some of ${SHOTS.map(({ name }) => name).join(', ')}`,
  );
  process.exit(2);
}
const noQemu = whyNoQemu();
if (noQemu !== undefined) {
  console.error(`screenshots: ${noQemu}`);
  process.exit(1);
}
mkdirSync(folder, { recursive: true });
const browser = await startChromium();
let faults = 0;
for (const { name, options, scene } of SHOTS.filter(({ name }) => chosen.length === 0 || chosen.includes(name))) {
  await scene(async (url, prepare) => {
    await using opened = await OpenedPage.open(browser, url, options);
    await prepare(opened);
    const path = `${join(folder, name)}.png` as const;
    await opened.page.screenshot({ path });
    console.log([`${path}: ${statSync(path).size} bytes`, ...opened.faults].join('\n  '));
    faults += opened.faults.length;
  });
}
await browser.close();
process.exitCode = faults === 0 ? 0 : 1;
