/**
 * `npm run test:arm64`: runs the addon that `npm run prebuild` made for arm64, in an emulated Node.js: the demo, then the specs. Names what is not
 * run, and why. Folders of `spec/` given as arguments are the only ones. Downloads what is missing. Ends with `arm64: N passed, N failed`.
 */
import { readdirSync } from 'node:fs';
import { delimiter, join, relative } from 'node:path';
import { nodeFolder, oldMachine, replayDemo, withPrebuilds } from '../prebuild/machines.js';
import { prebuildProblems } from '../prebuild/manifest.js';
import { projectRoot } from '../paths.js';
import { temporaryFolder } from '../temporary-folder.js';
import { LEFT_OUT, type LeftOut } from './left-out.js';
import type { LeftOutTest, SuiteResult } from './suite.js';
import { runWatched } from './watched.js';

/** In milliseconds. On a processor, specs give the programs that they start a minute. */
const CHILD_TIMEOUT = '600000';
const SPECS = join(projectRoot, 'dist/spec');

const problems = prebuildProblems();
if (problems.length > 0) {
  console.error(`test:arm64: ${problems.join('; ')}: npm run prebuild`);
  process.exit(2);
}
const wanted = process.argv.slice(2);
const leftOut = LEFT_OUT.filter((one) => !wanted.some((name) => covers(one, specName(name))));
const machine = oldMachine('arm64');
console.log(`The demo, by ${machine.description}:\n  ${replayDemo(machine)}`);

const folder = nodeFolder(machine);
const total = { passed: 0, failed: 0, skipped: 0 };
const impossible: string[] = [];
for (const file of filesOfSpecs()) {
  console.log(`\nspec/${file.replace(/\.js$/, '.ts')}`);
  const { passed, failed, skipped, running, ...result } = await runSpecs(file);
  total.passed += passed;
  total.failed += failed + (running === undefined ? 0 : 1);
  total.skipped += skipped.length;
  skipped.forEach((title) => {
    console.log(`  skipped: ${title}`);
  });
  if (running !== undefined) {
    console.log(`  not ended, and the rest of the file not run: ${running}`);
  }
  impossible.push(...result.impossible);
}
console.log('\nNot run by the emulator:');
for (const { specs, title, reason } of leftOut) {
  console.log(
    `  ${specs.map((spec) => `spec/${spec}`).join(', ')}${title === undefined ? '' : `, "${title}"`}: ${reason}`,
  );
}
if (impossible.length > 0) {
  console.log(
    '\nThe emulator has not the system calls of these (process_vm_readv, by which the addon copies where a page may be missing):',
  );
  impossible.forEach((title) => console.log(`  ${title}`));
}
console.log(`\narm64: ${total.passed} passed, ${total.failed} failed, ${total.skipped + impossible.length} skipped`);
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;

/** The files of specs to run, each in a process of its own: one that ends early takes no other along. */
function filesOfSpecs(): readonly string[] {
  return readdirSync(SPECS, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.spec.js'))
    .filter((file) => wanted.length === 0 || wanted.some((name) => isWithin(file, specName(name))))
    .filter((file) => !leftOut.some((one) => one.title === undefined && covers(one, file)))
    .sort();
}

function runSpecs(file: string): Promise<SuiteResult> {
  const result = join(temporaryFolder('arm64-'), 'result.json');
  const path = join(SPECS, file);
  const left: LeftOutTest[] = leftOut.flatMap((one) =>
    one.title !== undefined && covers(one, file) ? [{ file: path, title: one.title }] : [],
  );
  const suite = join(projectRoot, 'dist/lab/arm64/suite.js');
  return runWatched([join(folder, 'node'), '--enable-source-maps', suite, result, JSON.stringify(left), path], result, {
    ...withPrebuilds(),
    DMA_STREAMS_CHILD_TIMEOUT: CHILD_TIMEOUT,
    PATH: `${folder}${delimiter}${process.env['PATH'] ?? ''}`,
  });
}

function covers({ specs }: LeftOut, file: string): boolean {
  return specs.some((spec) => isWithin(file, specName(spec)));
}

/** The path in `dist/spec/` of a folder or file that is named as in `spec/`. */
function specName(name: string): string {
  return name.replace(/^(dist\/)?spec\//, '').replace(/\.ts$/, '.js');
}

/** Whether a file is in a folder, or is that file. */
function isWithin(file: string, part: string): boolean {
  return !relative(part, file).startsWith('..');
}
