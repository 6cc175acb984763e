import { open } from 'node:fs/promises';
import { codeOf, messageOf, UsageError } from '../errors.js';

/** Where a command writes what it makes: a file, or standard output. */
export interface TextSink extends AsyncDisposable {
  /** Resolves when the system has taken all of it. */
  write(text: string): Promise<void>;
}

/**
 * Opens a file, which is made, or emptied if it is there. Without a path: standard output.
 *
 * @throws UsageError if the file cannot be written
 */
export async function openSink(path: string | undefined): Promise<TextSink> {
  if (path === undefined) {
    return { write: writeOut, [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  const file = await open(path, 'w').catch((error: unknown) => {
    throw new UsageError(`cannot write ${path}: ${whyNot(error)}`, { cause: error });
  });
  return {
    write: async (text) => {
      await file.appendFile(text).catch((error: unknown) => {
        throw new Error(`cannot write ${path}: ${messageOf(error)}; it holds what was written before`, {
          cause: error,
        });
      });
    },
    [Symbol.asyncDispose]: () => file.close(),
  };
}

function writeOut(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => {
      if (error == null) {
        resolve();
      } else {
        reject(error);
      }
    });
  });
}

function whyNot(error: unknown): string {
  switch (codeOf(error)) {
    case 'ENOENT':
      return 'its directory does not exist; make it, or give another path';
    case 'EISDIR':
      return 'it is a directory; give the path of a file';
    case 'EACCES':
      return 'permission denied; give the path of a file that you may write';
    default:
      return messageOf(error);
  }
}
