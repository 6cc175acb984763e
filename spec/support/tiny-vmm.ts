import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE } from '../cli/support/command.js';

const PROGRAM = join(PACKAGE, 'dist/examples/tiny-vmm.js');

/** What the guest of `examples/tiny-vmm.ts` says, in order: each is a text that it has read at an address. */
export const SAID = [
  '0xf0100 "the ROM"',
  '0x80000 "RAM above the hole"',
  '0x40000 "the registers of a device"',
  '0xa0000 "the memory module"',
  '0x20000 "RAM"',
  '0x20000 "the overlay"',
  '0x20000 "RAM"',
  '0x90000 "what the device has copied"',
];

const RUNS = 'The guest runs';

export interface VmmRun {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the example to its end. */
export function runVmm(): Promise<VmmRun> {
  return ended(spawn(process.execPath, [PROGRAM]));
}

/** Runs the example, and sends it SIGINT as soon as its guest runs. */
export function interruptVmm(): Promise<VmmRun> {
  const child = spawn(process.execPath, [PROGRAM]);
  let stdout = '';
  child.stdout.on('data', (data: Buffer) => {
    const ran = stdout.includes(RUNS);
    stdout += data.toString();
    if (!ran && stdout.includes(RUNS)) {
      child.kill('SIGINT'); // Once: a second one ends the program at once.
    }
  });
  return ended(child);
}

/** Runs the example where there is no /dev/kvm: as root, in a mount namespace with an empty /dev, if this machine has one. */
export function runVmmWithoutKvm(): Promise<VmmRun> {
  return existsSync('/dev/kvm')
    ? ended(
        spawn('unshare', ['-m', 'sh', '-c', 'mount -t tmpfs none /dev && exec "$0" "$@"', process.execPath, PROGRAM]),
      )
    : runVmm();
}

async function ended(child: ChildProcessWithoutNullStreams): Promise<VmmRun> {
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data: Buffer) => (stdout += data.toString()));
  child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { status, stdout, stderr };
}

/** What the guest has said: `'0xf0100 "the ROM"'`. */
export function saidIn(stdout: string): string[] {
  return [...stdout.matchAll(/^ {2}the guest reads (\S+) +(".*")$/gm)].map(
    ([, address, words]) => `${address} ${words}`,
  );
}
