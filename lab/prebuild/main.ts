/**
 * `npm run prebuild`: builds the addons that the package brings along, `prebuilds/`, and says what they need. If one fails, or the demo with
 * it, what was in `prebuilds/` stays.
 */
import { rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Command } from 'commander';
import { replaceFolder } from '../move-into-place.js';
import { projectRoot } from '../paths.js';
import { temporaryFolder } from '../temporary-folder.js';
import { buildAddon, nodeGypVersion } from './build-addon.js';
import {
  hashOfFile,
  hashOfSources,
  PREBUILDS,
  prebuildProblems,
  prebuiltFile,
  readManifest,
  writeManifest,
  type PrebuiltAddon,
} from './manifest.js';
import { oldMachine, replayDemo } from './machines.js';
import { neededSymbolVersions, unmetSymbolVersions } from './symbol-versions.js';
import { ARCHITECTURES, toolchainFor, type Architecture } from './toolchain.js';

interface Options {
  readonly check?: true;
  readonly twice?: true;
}

const { check, twice } = new Command('npm run prebuild --')
  .description('Builds the addons of the package for Linux on x86-64 and arm64, against the C library of Debian 11.')
  .option('--check', 'builds nothing; says whether the addons are complete and made from the present sources')
  .option('--twice', 'builds each addon a second time, in another folder, and compares the bytes')
  .parse()
  .opts<Options>();

if (check === true) {
  const problems = prebuildProblems();
  for (const problem of problems) {
    console.error(`prebuilds: ${problem}`);
  }
  if (problems.length > 0) {
    console.error('npm run prebuild builds them');
    process.exitCode = 1;
  } else {
    (readManifest()?.addons ?? []).forEach(describe);
  }
} else {
  // On the file system of its place, so that it gets there whole.
  const scratch = join(projectRoot, 'build', `prebuild.${process.pid}`);
  // The addon is loaded from there as from the package, by this name.
  const unfinished = join(scratch, basename(PREBUILDS));
  const sources = hashOfSources();
  try {
    const addons = ARCHITECTURES.map((architecture) => build(architecture, unfinished));
    if (hashOfSources() !== sources) {
      throw new Error('the sources have changed while the addons were built');
    }
    writeManifest(unfinished, { nodeGyp: nodeGypVersion(), sources, addons });
    const machine = oldMachine('x64');
    console.log(`The demo with the addon for x64, by ${machine.description}:\n  ${replayDemo(machine, scratch)}\n`);
    replaceFolder(unfinished, PREBUILDS, scratch);
    addons.forEach(describe);
    console.log('npm run test:arm64 tries the other one.');
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Builds an addon into a folder. @throws Error if the oldest supported system could not load it, or if it differs when built again */
function build(architecture: Architecture, folder: string): PrebuiltAddon {
  const file = prebuiltFile(architecture);
  const path = join(folder, file);
  console.log(`building ${file}`);
  buildAddon(architecture, path);
  const { readelf, packages } = toolchainFor(architecture);
  const needs = neededSymbolVersions(readelf, path);
  const unmet = unmetSymbolVersions(needs);
  if (unmet.length > 0) {
    throw new Error(`${file} ${unmet.join('; ')}`);
  }
  const sha256 = hashOfFile(path);
  if (twice === true) {
    const again = join(temporaryFolder('again-'), file);
    buildAddon(architecture, again);
    if (hashOfFile(again) !== sha256) {
      throw new Error(`${file} has other bytes when it is built again: ${sha256}, then ${hashOfFile(again)}`);
    }
    console.log(`${file}: the same bytes when built again`);
  }
  return { file, sha256, needs: Object.fromEntries(needs), packages };
}

function describe({ file, sha256, needs, packages }: PrebuiltAddon): void {
  const list = (record: Readonly<Record<string, string>>, separator: string): string =>
    Object.entries(record)
      .map(([name, version]) => `${name}${separator}${version}`)
      .join(', ');
  console.log(`${file}: ${statSync(join(PREBUILDS, file)).size} bytes, SHA-256 ${sha256}`);
  console.log(`  needs ${list(needs, '_')}`);
  console.log(`  built with ${list(packages, ' ')}`);
}
