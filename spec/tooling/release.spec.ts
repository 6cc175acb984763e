import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../lab/paths.js';
import { temporaryFolder } from '../../lab/temporary-folder.js';

const CHANGELOG = `# Changelog

## [Unreleased]

### Added

- Something that users notice.

## [0.0.9] - 2026-01-01

- What was there before.
`;

const SCRIPTS = {
  prebuild: 'echo the addons are complete',
  lint: 'echo linted',
  test: 'echo tested',
  'release:check': 'echo checked',
};

/** Without the settings of this machine: signatures and hooks would get in the way. */
const ENVIRONMENT = { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1' };

/** A shell command that sends SIGTERM to the parent of its parent: to the release, which has started npm or git. */
const INTERRUPT = "kill -TERM $(sed -n 's/^PPid:[[:space:]]*//p' /proc/$PPID/status)";

/** A script that fails with an argument, and does something without it. npm adds the arguments at the end of the text. */
function unless(argument: string, command: string): string {
  return `f() { if [ "$1" = ${argument} ]; then exit 1; fi; ${command}; }; f`;
}

/** A repository with one commit, whose checks are those that are given. */
class Repository implements Disposable {
  readonly #folder = temporaryFolder('dma-streams-spec-');

  constructor(scripts: Readonly<Record<string, string>> = {}) {
    const manifest = { name: 'released', version: '0.1.0', scripts: { ...SCRIPTS, ...scripts } };
    this.write('package.json', JSON.stringify(manifest));
    this.write(
      'package-lock.json',
      JSON.stringify({ name: 'released', version: '0.1.0', lockfileVersion: 3, packages: {} }),
    );
    this.write('CHANGELOG.md', CHANGELOG);
    this.git('init', '--quiet', '--initial-branch=main');
    this.git('config', 'user.name', 'Somebody');
    this.git('config', 'user.email', 'somebody@example.org');
    this.git('add', '.');
    this.git('commit', '--quiet', '--message', 'Begin');
  }

  /** Everything that a release may change. */
  get state(): object {
    return {
      log: this.git('log', '--format=%H %s'),
      tags: this.git('tag', '--list'),
      status: this.git('status', '--porcelain'),
      files: ['CHANGELOG.md', 'package.json', 'package-lock.json'].map((file) => this.read(file)),
    };
  }

  read(file: string): string {
    return readFileSync(join(this.#folder, file), 'utf8');
  }

  write(file: string, text: string, mode = 0o644): void {
    writeFileSync(join(this.#folder, file), text, { mode });
  }

  git(...args: readonly string[]): string {
    const { status, stdout, stderr } = spawnSync('git', args, {
      cwd: this.#folder,
      encoding: 'utf8',
      env: ENVIRONMENT,
    });
    expect(status, stderr).to.equal(0);
    return stdout.trim();
  }

  release(...args: readonly string[]): {
    readonly status: number | null;
    readonly stdout: string;
    readonly stderr: string;
  } {
    const main = join(projectRoot, 'tooling/release/main.js');
    return spawnSync(process.execPath, [main, ...args], { cwd: this.#folder, encoding: 'utf8', env: ENVIRONMENT });
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** A release that must not take place: nothing changes. */
function expectRefusal(repository: Repository, args: readonly string[], why: RegExp, exitCode = 1): void {
  const before = repository.state;
  const { status, stderr } = repository.release(...args);
  expect(stderr).to.match(why);
  expect(status).to.equal(exitCode);
  expect(repository.state).to.deep.equal(before);
}

/** The date in UTC. */
function today(): string {
  return new Date().toISOString().slice(0, 10);
}

describe('npm run release', function () {
  this.timeout(60_000);

  it('checks everything, dates the changelog, commits and tags, and says how to publish', () => {
    using repository = new Repository();
    const dates = [today()];
    const { status, stdout, stderr } = repository.release('minor');
    dates.push(today());
    expect(status, stderr).to.equal(0);
    const checks = ['linted', 'tested', 'checked', 'the addons are complete --check', 'checked --no-force'];
    expect(stdout.split('\n').filter((line) => checks.includes(line))).to.deep.equal(checks);
    expect(stdout).to.contain('git push --follow-tags\n  npm publish\n');
    expect(JSON.parse(repository.read('package.json'))).to.include({ version: '0.2.0' });
    expect(JSON.parse(repository.read('package-lock.json'))).to.include({ version: '0.2.0' });
    // The day may have changed meanwhile.
    expect(repository.read('CHANGELOG.md')).to.be.oneOf(
      dates.map((date) => CHANGELOG.replace('## [Unreleased]\n', `## [Unreleased]\n\n## [0.2.0] - ${date}\n`)),
    );
    expect(repository.git('tag', '--points-at', 'HEAD')).to.equal('v0.2.0');
    expect(repository.git('log', '--format=%s')).to.equal('Release 0.2.0\nBegin');
    expect(repository.git('status', '--porcelain')).to.equal('');
  });

  it('releases the version that package.json has, as long as it is not released', () => {
    using repository = new Repository();
    expect(repository.release('0.1.0').status).to.equal(0);
    expect(repository.git('tag')).to.equal('v0.1.0');
    repository.write('CHANGELOG.md', CHANGELOG);
    repository.git('commit', '--quiet', '--all', '--message', 'Change');
    expectRefusal(repository, ['0.1.0'], /there is a tag v0\.1\.0 already: choose a later version/);
  });

  it('gives a version that is not to be the latest a tag of the registry', () => {
    using repository = new Repository();
    const { status, stdout } = repository.release('1.0.0-rc.1');
    expect(status).to.equal(0);
    expect(stdout).to.contain('\nchecked --no-force --tag next\n').and.contain('  npm publish --tag next\n');
  });

  it('changes nothing with --dry-run, and says what it would do', () => {
    using repository = new Repository();
    const before = repository.state;
    const { status, stdout } = repository.release('1.0.0', '--dry-run');
    expect(status).to.equal(0);
    expect(stdout)
      .to.contain('tested')
      .and.contain('- Something that users notice.')
      .and.contain('Nothing was changed');
    expect(repository.state).to.deep.equal(before);
  });

  for (const [script, cure] of [
    ['lint', /npm run lint failed.*npm run format/],
    ['test', /npm run test failed.*mend what fails/],
    ['release:check', /npm run release:check failed.*what npm says/],
  ] as const) {
    it(`is refused when ${script} fails, with what to do`, () => {
      using repository = new Repository({ [script]: 'exit 1' });
      expectRefusal(repository, ['patch'], cure);
    });
  }

  it('is refused with changes that are not committed', () => {
    using repository = new Repository();
    repository.write('package.json', '{ "version": "0.1.0" }');
    expectRefusal(repository, ['patch'], /not committed: commit or stash them\n ?M package\.json/);
  });

  it('is refused when a check leaves something behind', () => {
    using repository = new Repository({ test: 'touch left-behind' });
    expect(repository.release('patch').stderr).to.match(/not committed: commit or stash them\n\?\? left-behind/);
    expect(repository.git('tag')).to.equal('');
  });

  it('is refused without a branch', () => {
    using repository = new Repository();
    repository.git('checkout', '--quiet', '--detach');
    expectRefusal(repository, ['patch'], /no branch is checked out.*git switch main/);
  });

  it('is refused when the changelog has nothing new', () => {
    using repository = new Repository();
    repository.write('CHANGELOG.md', CHANGELOG.replace('- Something that users notice.', ''));
    repository.git('commit', '--quiet', '--all', '--message', 'Change');
    expectRefusal(repository, ['patch'], /nothing under \[Unreleased\]: say there what users notice/);
  });

  it('is refused for what is no version, or an earlier one', () => {
    using repository = new Repository();
    expectRefusal(
      repository,
      ['v1.0.0'],
      /'v1\.0\.0' is neither patch, minor, major nor a version: write it as 1\.2\.3/,
    );
    expectRefusal(repository, ['0.0.9'], /0\.0\.9 is before the present version, 0\.1\.0/);
  });

  it('builds the addons for the new version where there are none', () => {
    using repository = new Repository({
      prebuild: unless('--check', 'echo built for $npm_package_version'),
    });
    const { status, stdout } = repository.release('0.2.0');
    expect(status).to.equal(0);
    expect(stdout).to.contain('\nbuilt for 0.2.0\n');
  });

  it('leaves everything as before when the addons cannot be built', () => {
    using repository = new Repository({ prebuild: 'exit 1' });
    expectRefusal(repository, ['minor'], /npm run prebuild failed: .*\nEverything is as before/);
  });

  it('leaves everything as before when the registry has the version', () => {
    using repository = new Repository({ 'release:check': unless('--no-force', 'true') });
    expectRefusal(repository, ['minor'], /npm would not publish 0\.2\.0: .*\nEverything is as before/);
  });

  it('leaves everything as before when a signal ends it while the addons are built', () => {
    using repository = new Repository({
      prebuild: unless('--check', `${INTERRUPT}; exec sleep 600`),
    });
    expectRefusal(repository, ['minor'], /interrupted by SIGTERM\nEverything is as before/, 143);
  });

  it('leaves everything as before when a signal ends it as the tag is made', () => {
    using repository = new Repository();
    const hook = `#!/bin/sh\nif [ "$1" = committed ] && grep -q refs/tags/; then ${INTERRUPT}; fi\n`;
    repository.write('.git/hooks/reference-transaction', hook, 0o755);
    expectRefusal(repository, ['minor'], /interrupted by SIGTERM\nEverything is as before/, 143);
  });

  it('changes nothing when a signal ends a check', () => {
    using repository = new Repository({ test: `${INTERRUPT}; exec sleep 600` });
    expectRefusal(repository, ['minor'], /No release: it was interrupted by SIGTERM\n/, 143);
  });

  it('leaves everything as before when the commit fails', () => {
    using repository = new Repository();
    repository.write('.git/hooks/pre-commit', '#!/bin/sh\necho the hook says no >&2\nexit 1\n', 0o755);
    expectRefusal(repository, ['patch'], /the hook says no\nEverything is as before/);
  });

  it('leaves everything as before when the tag fails', () => {
    using repository = new Repository();
    // A tag of this name cannot be beside it.
    repository.git('tag', 'v0.1.1/x');
    expectRefusal(repository, ['patch'], /git tag .* failed: .*\nEverything is as before/s);
  });
});
