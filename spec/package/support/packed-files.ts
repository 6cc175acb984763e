import { execFileSync } from 'node:child_process';
import { projectRoot } from '../../../lab/paths.js';

/** What `npm pack` would put into the package, as it is built now: paths below its folder, and the size of the archive in bytes. */
export function packed(): { readonly files: readonly string[]; readonly size: number } {
  const output = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: projectRoot,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  const [{ files, size }] = JSON.parse(output) as [
    { readonly files: readonly { readonly path: string }[]; readonly size: number },
  ];
  return { files: files.map(({ path }) => path), size };
}
