/**
 * `npm run test:peers`: the specs against back ends that others have written: those of this system, and newer ones, which are unpacked into
 * private roots. Installs what is missing. Says at the end which back ends ran, by which command, and what was read through each.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import Mocha from 'mocha';
import { installPackages } from '../../lab/packages.js';
import { projectRoot } from '../../lab/paths.js';
import { peerRows } from './support/report.js';

/** In milliseconds. A back end of a private root starts within a second on an idle machine. */
const TIMEOUT = 60_000;

installPackages();
const mocha = new Mocha({ reporter: 'spec', timeout: TIMEOUT });
for (const folder of ['dist/spec/peers', 'dist/spec/peers/newer']) {
  for (const file of readdirSync(join(projectRoot, folder)).filter((name) => name.endsWith('.spec.js'))) {
    mocha.addFile(join(projectRoot, folder, file));
  }
}
await mocha.loadFilesAsync();
const { passes, failures, pending } = await new Promise<Mocha.Stats>((resolve) => {
  const runner = mocha.run(() => {
    resolve(runner.stats as Mocha.Stats);
  });
});
for (const { counterpart, version, command, read } of peerRows()) {
  console.log(`\n${counterpart} ${version}\n  ${command}\n${read.map((what) => `  read: ${what}`).join('\n')}`);
}
console.log(`\npeers: ${passes} passed, ${failures} failed${pending === 0 ? '' : `, ${pending} skipped`}`);
process.exitCode = failures === 0 && passes > 0 ? 0 : 1;
