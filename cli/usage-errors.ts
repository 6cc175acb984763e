import type { OutputConfiguration } from 'commander';

/** How the errors of a command's arguments are written: like all others, and with the help that would help. */
export function usageErrors(command: string): OutputConfiguration {
  return {
    outputError: (text, write) => {
      const what = text
        .replace(/^error: /, '')
        .trimEnd()
        .replaceAll('\n', ' ');
      write(`dma-streams: ${what}; see ${command} --help\n`);
    },
  };
}
