import { InvalidArgumentError, type Command } from 'commander';

/** What `--interval` and its like say; see `QemuSourceOptions`. */
export interface QemuOptions {
  readonly interval: number;
  readonly timeout: number;
  readonly reconnect: number;
  readonly addressSpace: string;
}

/** Adds the options of a command that follows QEMU, but for the socket. */
export function addQemuOptions(command: Command): Command {
  return command
    .option('--interval <ms>', 'milliseconds between two looks at the memory map of QEMU', milliseconds, 100)
    .option('--timeout <ms>', 'milliseconds to wait for an answer of QEMU', milliseconds, 5000)
    .option('--reconnect <ms>', 'milliseconds to wait for QEMU to come back after it has ended', millisecondsOrNone, 0)
    .option('--address-space <name>', 'follow this address space of QEMU', 'memory');
}

function milliseconds(text: string): number {
  return checkMilliseconds(text, 1);
}

function millisecondsOrNone(text: string): number {
  return checkMilliseconds(text, 0);
}

function checkMilliseconds(text: string, least: number): number {
  if (!/^\d{1,9}$/.test(text) || Number(text) < least) {
    throw new InvalidArgumentError(`It has to be a whole number of milliseconds, from ${least} to 999999999`);
  }
  return Number(text);
}
