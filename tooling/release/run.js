import { spawn, spawnSync } from 'node:child_process';
import { constants } from 'node:os';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** The signal that this process got, if any, and the command that runs. */
let interruption;
let child;

/** A signal has ended what ran. */
export class Interrupted extends Error {
  constructor(signal) {
    super(`it was interrupted by ${signal}`);
    /** As a shell gives it. */
    this.exitCode = 128 + constants.signals[signal];
  }
}

/** From now on a signal ends the command that runs, instead of this process: {@link run} and {@link show} throw, so that the caller can undo. */
export function catchSignals() {
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      interruption ??= signal;
      child?.kill(signal);
    });
  }
}

/** Runs a command, and returns what it writes. @throws Error with what it said, if it fails; Interrupted after a signal */
export async function run(command, ...args) {
  const ended = await start(command, args, 'pipe');
  return outputOf(command, args, ended);
}

/** Runs a command whose output the maintainer sees, and returns whether it ended with 0. @throws Interrupted after a signal */
export async function show(command, ...args) {
  console.log(`\n$ ${[command, ...args].join(' ')}`);
  return (await start(command, args, 'inherit')).status === 0;
}

/** Runs a command that no signal interrupts: Ctrl-C goes to the process group of the terminal, which it leaves. @throws Error as {@link run} */
export function runToItsEnd(command, ...args) {
  return outputOf(command, args, spawnSync(command, args, { encoding: 'utf8', detached: true }));
}

async function start(command, args, output) {
  throwIfInterrupted();
  const ended = await new Promise((resolve) => {
    const said = { stdout: '', stderr: '' };
    child = spawn(command, args, { stdio: ['ignore', output, output] });
    for (const name of Object.keys(said)) {
      child[name]?.setEncoding('utf8').on('data', (text) => {
        said[name] += text;
      });
    }
    child.on('error', (error) => {
      resolve({ status: null, error, ...said });
    });
    child.on('close', (status) => {
      resolve({ status, ...said });
    });
  });
  child = undefined;
  throwIfInterrupted();
  return ended;
}

function throwIfInterrupted() {
  if (interruption !== undefined) {
    throw new Interrupted(interruption);
  }
}

function outputOf(command, args, { status, stdout, stderr, error }) {
  if (status !== 0) {
    const said = error?.message ?? (stderr.trim() || stdout.trim() || `it ended with ${status}`);
    throw new Error(`${[command, ...args].join(' ')} failed: ${said}`);
  }
  return stdout.trim();
}
