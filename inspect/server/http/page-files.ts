import { readFile } from 'node:fs/promises';

export interface PageFile {
  readonly type: string;
  readonly content: Buffer;
}

const FOLDER = new URL('../../page/', import.meta.url);

const FILES: readonly { readonly path: string; readonly name: string; readonly type: string }[] = [
  { path: '/', name: 'index.html', type: 'text/html; charset=utf-8' },
  { path: '/page.js', name: 'page.js', type: 'text/javascript; charset=utf-8' },
  { path: '/page.css', name: 'page.css', type: 'text/css; charset=utf-8' },
];

/** The paths of the files of the page. */
export const PAGE_PATHS: readonly string[] = FILES.map(({ path }) => path);

/**
 * The files of the page, by the path of their URL.
 *
 * @throws Error when one is missing
 */
export async function readPageFiles(folder = FOLDER): Promise<ReadonlyMap<string, PageFile>> {
  const files = new Map<string, PageFile>();
  for (const { path, name, type } of FILES) {
    try {
      files.set(path, { type, content: await readFile(new URL(name, folder)) });
    } catch (error) {
      throw new Error(
        `the page of the inspector cannot be read (${(error as Error).message}): the package was not built whole; ` +
          'install dma-streams again, or in a checkout run `npm run build:ts`',
        { cause: error },
      );
    }
  }
  return files;
}
