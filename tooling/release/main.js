/**
 * `npm run release -- patch|minor|major|X.Y.Z [--dry-run]`: makes a version, as a commit and a tag. Publishes nothing, and pushes nothing.
 *
 * Nothing is changed before all checks have passed. If a later step fails, the files, the commit and the tag are as they were.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { Command } from 'commander';
import { releaseChanges } from './changelog.js';
import { run, show } from './run.js';
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

try {
  release(program.args[0], program.opts().dryRun === true);
} catch (error) {
  console.error(`\nNo release: ${error.message}`);
  process.exitCode = 1;
}

function release(wanted, isDry) {
  checkTree();
  const version = versionFor(wanted, presentVersion(), (one) => run('git', 'tag', '--list', `v${one}`) !== '');
  const date = new Date().toISOString().slice(0, 10);
  const { text, changes } = releaseChanges(readFileSync('CHANGELOG.md', 'utf8'), version, date);
  for (const { script, cure } of CHECKS) {
    if (!show('npm', 'run', ...script)) {
      throw new Error(`npm run ${script.join(' ')} failed, and nothing was changed: ${cure}`);
    }
  }
  checkTree();
  console.log(`\n${version}, of ${date}:\n\n${changes}\n`);
  if (isDry) {
    console.log(`Nothing was changed. Without --dry-run this is committed as v${version}.`);
    return;
  }
  commit(version, text);
  console.log(`v${version} is committed and tagged, and published nowhere. Next, from this folder:

  git push --follow-tags
  npm publish

To take it back instead: git tag --delete v${version} && git reset --keep HEAD~1`);
}

/** @throws Error if there is something that the version would lack, or have besides */
function checkTree() {
  if (!existsSync('CHANGELOG.md')) {
    throw new Error('there is no CHANGELOG.md here: run it in the folder of the repository');
  }
  const changed = run('git', 'status', '--porcelain');
  if (changed !== '') {
    throw new Error(`there are changes that are not committed: commit or stash them\n${changed}`);
  }
  if (run('git', 'rev-parse', '--abbrev-ref', 'HEAD') === 'HEAD') {
    throw new Error('no branch is checked out, so that the commit would be lost: git switch main');
  }
}

/** Those of this version, which is in them: one that was changed needs new ones. @throws Error if they cannot be built */
function ensureAddons() {
  if (!show('npm', 'run', 'prebuild', '--', '--check') && !show('npm', 'run', 'prebuild')) {
    throw new Error('npm run prebuild failed: it says what it needs');
  }
}

/** Writes the files, builds the addons, commits and tags them. @throws Error, after everything is as before */
function commit(version, changelog) {
  const before = run('git', 'rev-parse', 'HEAD');
  const files = CHANGED.map((file) => ({ file, text: readFileSync(file) }));
  try {
    writeFileSync('CHANGELOG.md', changelog);
    run('npm', 'version', version, '--no-git-tag-version', '--allow-same-version', '--ignore-scripts');
    ensureAddons();
    run('git', 'add', ...CHANGED);
    run('git', 'commit', '--quiet', '--message', `Release ${version}`);
    run('git', 'tag', '--annotate', `v${version}`, '--message', `dma-streams ${version}`);
  } catch (error) {
    run('git', 'reset', '--quiet', before);
    for (const { file, text } of files) {
      writeFileSync(file, text);
    }
    throw new Error(`${error.message}\nEverything is as before.`, { cause: error });
  }
}
