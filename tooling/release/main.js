/**
 * `npm run release -- patch|minor|major|X.Y.Z [--dry-run]`: makes a version, as a commit and a tag. Publishes nothing, and pushes nothing.
 *
 * Nothing is changed before all checks have passed. If a later step fails, or a signal (Ctrl-C) ends it, the files, the branch and the tags are
 * as they were.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { Command } from 'commander';
import semver from 'semver';
import { releaseChanges } from './changelog.js';
import { catchSignals, run, runToItsEnd, show } from './run.js';
import { presentVersion, versionFor } from './version.js';

/** Each has to pass, in this order: the quick ones come first. */
const CHECKS = [
  { script: ['lint'], cure: 'npm run format cures the form of files; the rest is by hand. Commit it' },
  { script: ['test'], cure: 'mend what fails, with a commit of its own' },
  { script: ['release:check'], cure: 'see what npm says of the package' },
];
const CHANGED = ['CHANGELOG.md', 'package.json', 'package-lock.json'];

const program = new Command('npm run release --')
  .description('Makes a version: checks everything, dates the changelog, commits, and tags.')
  .argument('<version>', 'patch, minor, major, or a version such as 1.2.3')
  .option('--dry-run', 'checks everything, and says what it would do')
  .parse();

catchSignals();
try {
  await release(program.args[0], program.opts().dryRun === true);
} catch (error) {
  console.error(`\nNo release: ${error.message}`);
  process.exitCode = error.exitCode ?? 1;
}

async function release(wanted, isDry) {
  await checkTree();
  const tags = (await run('git', 'tag', '--list')).split('\n');
  const version = versionFor(wanted, presentVersion(), (one) => tags.includes(`v${one}`));
  const date = new Date().toISOString().slice(0, 10);
  const { text, changes } = releaseChanges(readFileSync('CHANGELOG.md', 'utf8'), version, date);
  for (const { script, cure } of CHECKS) {
    if (!(await show('npm', 'run', ...script))) {
      throw new Error(`npm run ${script.join(' ')} failed, and nothing was changed: ${cure}`);
    }
  }
  await checkTree();
  console.log(`\n${version}, of ${date}:\n\n${changes}\n`);
  if (isDry) {
    console.log(`Nothing was changed. Without --dry-run this is committed as v${version}.`);
    return;
  }
  await commit(version, text);
  console.log(`v${version} is committed and tagged, and published nowhere. Next, from this folder:

  git push --follow-tags
  ${['npm publish', ...distributionTag(version)].join(' ')}

To take it back instead: git tag --delete v${version} && git reset --keep HEAD~1`);
}

/** @throws Error if there is something that the version would lack, or have besides */
async function checkTree() {
  if (!existsSync('CHANGELOG.md')) {
    throw new Error('there is no CHANGELOG.md here: run it in the folder of the repository');
  }
  const changed = await run('git', 'status', '--porcelain');
  if (changed !== '') {
    throw new Error(`there are changes that are not committed: commit or stash them\n${changed}`);
  }
  if ((await run('git', 'rev-parse', '--abbrev-ref', 'HEAD')) === 'HEAD') {
    throw new Error('no branch is checked out, so that the commit would be lost: git switch main');
  }
}

/** Those of this version, which is in them: one that was changed needs new ones. @throws Error if they cannot be built */
async function ensureAddons() {
  if (!(await show('npm', 'run', 'prebuild', '--', '--check')) && !(await show('npm', 'run', 'prebuild'))) {
    throw new Error('npm run prebuild failed: it says what it needs');
  }
}

/** Asks the registry, too, now that package.json has the version. @throws Error if npm would not publish it */
async function checkPublication(version) {
  if (!(await show('npm', 'run', 'release:check', '--', '--no-force', ...distributionTag(version)))) {
    throw new Error(`npm would not publish ${version}: see what it says of the version`);
  }
}

/** npm wants a tag of the registry for a version that is not to be the latest. */
function distributionTag(version) {
  return semver.prerelease(version) === null ? [] : ['--tag', 'next'];
}

/** Writes the files, builds the addons, commits and tags them. @throws Error, after everything is as before */
async function commit(version, changelog) {
  const before = await run('git', 'rev-parse', 'HEAD');
  const files = CHANGED.map((file) => ({ file, text: readFileSync(file) }));
  try {
    writeFileSync('CHANGELOG.md', changelog);
    await run('npm', 'version', version, '--no-git-tag-version', '--allow-same-version', '--ignore-scripts');
    await ensureAddons();
    await checkPublication(version);
    await run('git', 'add', ...CHANGED);
    await run('git', 'commit', '--quiet', '--message', `Release ${version}`);
    await run('git', 'tag', '--annotate', `v${version}`, '--message', `dma-streams ${version}`);
  } catch (error) {
    for (const { file, text } of files) {
      writeFileSync(file, text);
    }
    runToItsEnd('git', 'reset', '--quiet', before);
    // A signal may have come when the tag was made already.
    if (runToItsEnd('git', 'tag', '--list', `v${version}`) !== '') {
      runToItsEnd('git', 'tag', '--delete', `v${version}`);
    }
    error.message += '\nEverything is as before.';
    throw error;
  }
}
