import type { OutputConfiguration } from 'commander';
import { complaint } from './complain.js';

/** Writes argument errors in the format of all other errors, with a reference to the command's help. */
export function usageErrors(command: string): OutputConfiguration {
  return {
    outputError: (text, write) => {
      const what = text
        .replace(/^error: /, '')
        .trimEnd()
        .replaceAll('\n', ' ');
      write(complaint(`${what}; see ${command} --help`, process.stderr));
    },
  };
}

/** Collects the values of an option that may be repeated. */
export function collect(value: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, value];
}
