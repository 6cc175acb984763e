import type { OutputConfiguration } from 'commander';
import { complaint } from './complain.js';

/** How the errors of a command's arguments are written: like all others, and with the help that would help. */
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
