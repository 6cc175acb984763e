import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { labFile } from './paths.js';
import { closedFolders } from './reach.js';

/** The task of the guest. */
export interface GuestCommand {
  readonly command: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** A folder of the host that the guest can write to, at the same path. */
  readonly out?: string | undefined;
  /** Files that every user of the guest can read: the folders above them are made searchable for others, only in the guest. */
  readonly reachable?: readonly string[];
}

const BUSYBOX = ['/bin/busybox', '/usr/bin/busybox'];

/**
 * Makes the guest's first file system in `folder`: busybox, `init` and the command. Not compressed: the emulated processor would need
 * longer to unpack it than QEMU needs to load it. Returns the path of the archive.
 */
export function makeInitramfs(folder: string, job: GuestCommand): string {
  const root = join(folder, 'initramfs');
  mkdirSync(join(root, 'bin'), { recursive: true });
  mkdirSync(join(root, 'etc'));
  copyBusybox(join(root, 'bin', 'busybox'));
  symlinkSync('busybox', join(root, 'bin', 'sh'));
  copyFileSync(labFile('guest/init'), join(root, 'init'));
  chmodSync(join(root, 'init'), 0o755);
  writeFileSync(join(root, 'etc', 'passwd'), 'root:x:0:0::/root:/bin/sh\n');
  writeFileSync(join(root, 'command'), commandScript(job));
  if (job.out !== undefined) {
    writeFileSync(join(root, 'output-path'), job.out);
  }
  const archive = join(folder, 'initramfs.cpio');
  execFileSync('sh', ['-c', 'find . | cpio -o -H newc --quiet > "$1"', 'sh', archive], { cwd: root });
  return archive;
}

/** The command as a shell script. The environment, the folder and all arguments are preserved byte for byte. */
export function commandScript({ command, cwd, env, reachable = [] }: GuestCommand): string {
  const exports = Object.entries(env).flatMap(([name, value]) =>
    value !== undefined && /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) ? [`export ${name}=${quote(value)}`] : [],
  );
  const closed = closedFolders(reachable);
  const open = closed.length === 0 ? [] : [`chmod o+x ${closed.map(quote).join(' ')} || exit 126`];
  return [...exports, ...open, `cd ${quote(cwd)} || exit 126`, `exec ${command.map(quote).join(' ')}`, ''].join('\n');
}

function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

function copyBusybox(to: string): void {
  for (const from of BUSYBOX) {
    try {
      copyFileSync(from, to);
      chmodSync(to, 0o755);
      return;
    } catch {
      // The next place, if there is one.
    }
  }
  throw new Error('busybox is not installed: npm run lab:setup installs what the lab needs');
}
