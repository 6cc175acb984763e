import { existsSync, realpathSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The permission of others to read a file, and to pass a folder. */
const OTHERS_READ = 0o4;
const OTHERS_PASS = 0o1;

/** The folders above these files, and above what links there lead to, that other users may not pass. */
export function closedFolders(files: readonly string[]): string[] {
  const folders = new Set<string>();
  for (const file of files.flatMap((path) => [path, realpathSync(path)])) {
    for (let folder = dirname(file); folder !== dirname(folder); folder = dirname(folder)) {
      if ((statSync(folder).mode & OTHERS_PASS) === 0) {
        folders.add(folder);
      }
    }
  }
  return [...folders];
}

/** What of a checkout specs need that run as another user, and that such a user may not read: a file for each part. */
export function unreadableParts(checkout: string): string[] {
  return ['package.json', 'dist/cli/main.js', 'build/Release/dma_streams.node', 'node_modules/rxjs/package.json']
    .map((name) => join(checkout, name))
    .filter((file) => existsSync(file) && (statSync(file).mode & OTHERS_READ) === 0);
}
