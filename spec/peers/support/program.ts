import { spawnSync } from 'node:child_process';
import { PrivateRoot, type RootContents } from '../../../lab/private-root.js';

/** A back end that can be started. */
export interface Program {
  readonly name: string;
  readonly version: string;
  /** The command that runs it. */
  command(...args: readonly string[]): readonly string[];
}

/** A program of the system, or why it cannot be used. @param path its path, or its name where that is in the `PATH` */
export function installedProgram(name: string, path = name): Program | string {
  const { status, stdout } = spawnSync('setpriv', [path, '--version'], { encoding: 'utf8' });
  return status === 0
    ? { name, version: versionIn(stdout), command: (...args) => [path, ...args] }
    : `${path} is not installed (npm run lab:setup installs it on Debian 12)`;
}

/** A program of a private root, which is made if it is not there. */
export function programOfRoot(
  contents: RootContents,
  program: { readonly name: string; readonly path: string; readonly package: string },
): Program {
  const root = PrivateRoot.ensure(contents);
  return {
    name: program.name,
    version: versionIn(root.version(program.package)),
    command: (...args) => root.command(program.path, ...args),
  };
}

/** The version of the program itself, without that of its package. */
function versionIn(text: string): string {
  return /\d+(\.\d+)+/.exec(text.replace(/^\d+:/, ''))?.[0] ?? 'unknown';
}

/**
 * A suite about a program. It is skipped, loudly, where the program cannot be used here, and fails if it could not be found out.
 *
 * @param find gives the program, or why it cannot be used
 */
export function describePeer(name: string, find: () => Program | string, tests: (program: Program) => void): void {
  const found = attempt(find);
  if (found instanceof Error) {
    describe(name, () => {
      it('can be installed', () => {
        throw found;
      });
    });
  } else if (typeof found === 'string') {
    describe(name, () => {
      it('follows the memory of a machine', function () {
        console.warn(`      ${found}: skipped`);
        this.skip();
      });
    });
  } else {
    describe(`${name} ${found.version}`, () => {
      tests(found);
    });
  }
}

function attempt(find: () => Program | string): Program | string | Error {
  try {
    return find();
  } catch (error) {
    return error as Error;
  }
}
