import { spawnSync } from 'node:child_process';

/** Requirements on the host: a command that must exist, and the Debian package that contains it. */
const NEEDED: readonly { readonly command: string; readonly debian: string }[] = [
  { command: 'qemu-system-x86_64', debian: 'qemu-system-x86' },
  { command: 'busybox', debian: 'busybox-static' },
  { command: 'cpio', debian: 'cpio' },
  { command: 'setpriv', debian: 'util-linux' },
];

/** The Debian packages that are missing. */
export function missingPackages(): string[] {
  return NEEDED.filter(({ command }) => spawnSync('sh', ['-c', `command -v ${command}`]).status !== 0).map(
    ({ debian }) => debian,
  );
}

/** Installs what is missing, as root or through sudo. @throws when it cannot be installed */
export function installPackages(): void {
  const missing = missingPackages();
  if (missing.length === 0) {
    return;
  }
  console.error(`installing ${missing.join(', ')}`);
  const asRoot = process.getuid?.() === 0 ? [] : ['sudo'];
  for (const step of [
    ['update', '-qq'],
    ['install', '-y', '-qq', '--no-install-recommends', ...missing],
  ]) {
    const [command = 'apt-get', ...rest] = [...asRoot, 'apt-get', ...step];
    const { status } = spawnSync(command, rest, { stdio: ['ignore', 'ignore', 'inherit'] });
    if (status !== 0) {
      throw new Error(`apt-get ${step.join(' ')} failed: install ${missing.join(', ')} by hand`);
    }
  }
}
