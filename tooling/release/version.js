import { readFileSync } from 'node:fs';
import semver from 'semver';

const STEPS = ['patch', 'minor', 'major'];

/**
 * The version that a maintainer asks for: a step from the present one, or a number.
 *
 * @throws Error if it is none, or not after the present one. The present one may be asked for as long as it is not released.
 */
export function versionFor(wanted, present, isReleased) {
  const version = STEPS.includes(wanted) ? semver.inc(present, wanted) : semver.valid(wanted);
  if (version === null || (version !== wanted && !STEPS.includes(wanted))) {
    throw new Error(`'${wanted}' is neither patch, minor, major nor a version: write it as 1.2.3`);
  }
  if (isReleased(version)) {
    throw new Error(`there is a tag v${version} already: choose a later version than ${present}`);
  }
  if (semver.lt(version, present)) {
    throw new Error(`${version} is before the present version, ${present}: choose a later one`);
  }
  return version;
}

/** The version in package.json of this folder. */
export function presentVersion() {
  return JSON.parse(readFileSync('package.json', 'utf8')).version;
}
