/**
 * `npm run lab -- COMMAND`: runs a command on a machine with an IOMMU and two devices that do DMA, in three seconds.
 */
import { mkdirSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { runInGuest, type GuestEnd } from './guest.js';
import { ensureKernel, KERNEL_VARIABLE, KERNEL_VERSIONS, type KernelVersion } from './kernels.js';
import { projectRoot } from './paths.js';
import { wordsOf } from './words.js';
import { whenParentIsGone } from './parent.js';

/** Exit statuses for failures of the lab itself, like those of a shell and of timeout(1). */
const STATUS: Readonly<Record<Exclude<GuestEnd['kind'], 'exited' | 'aborted'>, number>> = {
  'not-started': 121,
  panicked: 122,
  lost: 123,
  'timed-out': 124,
};

/** Those for the signals that end the guest. */
const SIGNAL_STATUS = { SIGINT: 130, SIGTERM: 143 } as const;

const SAYS: Readonly<Record<Exclude<GuestEnd['kind'], 'exited'>, string>> = {
  'not-started': 'the guest did not start',
  panicked: "the guest's kernel panicked",
  lost: 'the guest ended without a reliable exit status',
  'timed-out': 'the guest did not end in time (--timeout)',
  aborted: 'the guest was stopped',
};

interface Options {
  readonly kernel: KernelVersion;
  readonly memory: number;
  readonly timeout: number;
  readonly out?: string;
  readonly append: readonly string[];
  readonly qemu: readonly string[];
  readonly countInstructions?: true;
}

const program = new Command('npm run lab --')
  .usage('[options] COMMAND [ARGUMENT...]')
  .description('Runs a command in a small guest with an emulated VT-d IOMMU and two `edu` PCI devices, as root.')
  .argument('<command...>', 'the command to run, in the current folder and environment; `dma-streams` is on its PATH')
  .addOption(new Option('--kernel <version>', 'the Linux version').choices(KERNEL_VERSIONS).default('7.3'))
  .option('--memory <MiB>', 'memory of the guest', wholeNumber, 2048)
  .option('--timeout <seconds>', 'maximum run time', wholeNumber, 180)
  .option('--out <folder>', 'a folder of the host that the guest can write to, at the same path')
  .option('--append <arguments>', 'additional kernel arguments, as one string; may be repeated', collect, [])
  .option(
    '--qemu <arguments>',
    'additional QEMU arguments, as one string that is split like in a shell; may be repeated',
    collectWords,
    [],
  )
  .option('--count-instructions', 'one processor, whose clock advances one nanosecond with each instruction')
  .addHelpText(
    'after',
    `
The guest sees the whole file system of the host. What it writes goes to its own memory and is gone afterwards, except in --out.

Exit status: that of the command; 121 when the guest did not start, 122 when its kernel panicked, 123 when its status was lost,
124 when it took too long; 130 by Ctrl-C (SIGINT), and 143 by SIGTERM, which end the guest at once. It also ends with npm, however that ends.

Kernels come from $${KERNEL_VARIABLE} (an image, or a folder with bzImage-VERSION), else from the cache of the user, else they are
built, which takes minutes.

Examples:
  npm run lab -- dma-streams replay examples/traces/q35-boot.jsonl
  npm run lab -- --append 'intremap=off' dma-streams doctor
  npm run lab -- --qemu '-device edu,addr=09.0' lspci
  npm run lab -- --kernel 6.12 ls -l /dev/vfio /dev/iommu
  npm run lab -- --count-instructions node program.mjs
  npm run lab -- --out results sh -c 'dmesg > results/dmesg'`,
  )
  .passThroughOptions()
  .showHelpAfterError();

program.parse();
const { kernel, memory, timeout, out, append, qemu, countInstructions = false } = program.opts<Options>();
if (out !== undefined) {
  mkdirSync(out, { recursive: true });
}
// This may build it, which blocks the event loop: signals have their default action until then.
const image = ensureKernel(kernel);
const interrupted = new AbortController();
let interruptedStatus: number = SIGNAL_STATUS.SIGTERM;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    interruptedStatus = SIGNAL_STATUS[signal];
    interrupted.abort();
  });
}
whenParentIsGone(() => {
  interrupted.abort();
});
const end = await runInGuest({
  command: program.args,
  cwd: process.env['INIT_CWD'] ?? process.cwd(),
  env: {
    ...process.env,
    PATH: [join(projectRoot, 'lab/bin'), join(projectRoot, 'node_modules/.bin'), process.env['PATH'] ?? ''].join(
      delimiter,
    ),
    COLUMNS: String(process.stdout.isTTY ? process.stdout.columns : 100),
    ...(process.stdout.isTTY && process.env['NO_COLOR'] === undefined ? { FORCE_COLOR: '1' } : {}),
  },
  out: out === undefined ? undefined : resolve(out),
  kernel: image,
  kernelArguments: append.join(' '),
  qemuArguments: qemu,
  countInstructions,
  memory,
  timeout,
  signal: interrupted.signal,
  onStdout: (data) => process.stdout.write(data),
  onStderr: (data) => process.stderr.write(data),
});
if (end.kind === 'exited') {
  process.exitCode = end.status;
} else {
  console.error(`lab: ${SAYS[end.kind]}: ${end.detail}`);
  process.exitCode = end.kind === 'aborted' ? interruptedStatus : STATUS[end.kind];
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) {
    throw new InvalidArgumentError('It must be an integer above 0.');
  }
  return Number(text);
}

function collect(text: string, before: readonly string[]): readonly string[] {
  return [...before, text];
}

function collectWords(text: string, before: readonly string[]): readonly string[] {
  const words = wordsOf(text);
  if (words === undefined) {
    throw new InvalidArgumentError('A quotation mark is not closed.');
  }
  return [...before, ...words];
}
