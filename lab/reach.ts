import { existsSync, realpathSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The permission bits of others: to read a file, and to search a folder. */
const OTHERS_READ = 0o4;
const OTHERS_PASS = 0o1;

/** The folders above these files, and above the targets of their symbolic links, that other users cannot search. */
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

/** Files of the checkout that specs need when they run as another user, but that user cannot read: one file for each part. */
export function unreadableParts(checkout: string): string[] {
  return ['package.json', 'dist/cli/main.js', 'build/Release/dma_streams.node', 'node_modules/rxjs/package.json']
    .map((name) => join(checkout, name))
    .filter((file) => existsSync(file) && (statSync(file).mode & OTHERS_READ) === 0);
}
