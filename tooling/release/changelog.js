// Text of CHANGELOG.md, in the form of Keep a Changelog.

const UNRELEASED = '## [Unreleased]\n';

/**
 * What `[Unreleased]` has becomes a version, and `[Unreleased]` is empty.
 *
 * @returns the new text, and what the version has
 * @throws Error if there is nothing to release, or the version is there already
 */
export function releaseChanges(text, version, date) {
  const start = text.indexOf(UNRELEASED);
  if (start < 0) {
    throw new Error(`CHANGELOG.md has no heading '${UNRELEASED.trim()}': add it above the first version`);
  }
  if (text.includes(`\n## [${version}]`)) {
    throw new Error(
      `CHANGELOG.md has a heading for ${version} already: choose the next version, or remove the heading`,
    );
  }
  const from = start + UNRELEASED.length;
  const next = text.indexOf('\n## [', from);
  const changes = text.slice(from, next < 0 ? undefined : next).trim();
  if (!/^[-*] /m.test(changes)) {
    throw new Error('CHANGELOG.md has nothing under [Unreleased]: say there what users notice, and commit it');
  }
  const rest = next < 0 ? '' : text.slice(next);
  return {
    text: `${text.slice(0, from)}\n## [${version}] - ${date}\n\n${changes}\n${rest}`,
    changes,
  };
}
