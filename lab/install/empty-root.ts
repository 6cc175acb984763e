import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PrivateRoot } from '../private-root.js';
import { temporaryFolder } from '../temporary-folder.js';

/** What a container of Debian has at least. Everything else is missing: compilers, Python, Git. */
const PACKAGES = ['bash', 'coreutils', 'libc6', 'libstdc++6', 'ca-certificates'];
const SUITE = 'bookworm';

/** What says to programs inside where the network is, and whom to trust: files that no package has. */
const OF_THIS_MACHINE = ['/etc/resolv.conf', '/etc/hosts', '/etc/ssl/certs/ca-certificates.crt'];

export interface Ended {
  readonly status: number | null;
  /** Both outputs, in the order in which they were written. */
  readonly output: string;
}

/** A small Debian in a folder of its own, in which programs see nothing of this machine but the network. */
export class EmptyRoot implements Disposable {
  readonly description = `${PACKAGES.join(', ')} of Debian ${SUITE}`;
  readonly #folder = temporaryFolder('dma-streams-install-');

  constructor() {
    const root = PrivateRoot.ensure({ name: `${SUITE}-empty`, suites: [SUITE], packages: PACKAGES });
    cpSync(root.path(), this.#folder, { recursive: true, verbatimSymlinks: true });
    for (const folder of ['dev', 'proc', 'tmp', 'root']) {
      mkdirSync(join(this.#folder, folder), { recursive: true });
    }
    // The scripts of packages are not run: dash and ca-certificates would do this.
    if (!existsSync(join(this.#folder, 'bin/sh'))) {
      symlinkSync('bash', join(this.#folder, 'bin/sh'));
    }
    for (const file of OF_THIS_MACHINE.filter((path) => existsSync(path))) {
      this.copy(file, file);
    }
  }

  /** Copies a file or a folder of this machine into it. @param to its path there */
  copy(from: string, to: string): void {
    const path = join(this.#folder, to);
    mkdirSync(dirname(path), { recursive: true });
    cpSync(from, path, { recursive: true, dereference: true });
  }

  /** The file of this machine that a file inside is. */
  path(inside: string): string {
    return join(this.#folder, inside);
  }

  /** Runs a command line of a shell inside, as root, in its folder `/root`. It has its own processes and mounts, which go when it ends. */
  run(command: string, environment: Readonly<Record<string, string>> = {}): Ended {
    const enter = [
      'set -e',
      'mount --rbind /dev "$0/dev"',
      'mount -t proc proc "$0/proc"',
      'exec chroot "$0" /usr/bin/env -i "$@" bash -c "cd; eval \\"\\$COMMAND\\"" 2>&1',
    ].join('\n');
    const variables = { HOME: '/root', LANG: 'C.UTF-8', NO_COLOR: '1', ...environment, COMMAND: command };
    const { status, stdout, stderr, error } = spawnSync(
      'unshare',
      [
        ...['--mount', '--pid', '--fork', '--propagation', 'private'],
        ...['sh', '-c', enter, this.#folder, ...Object.entries(variables).map(([name, value]) => `${name}=${value}`)],
      ],
      { encoding: 'utf8', maxBuffer: 64 << 20 },
    );
    return { status, output: error?.message ?? stdout + stderr };
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
