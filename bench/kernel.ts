/**
 * `npm run bench:kernel`: measures the overhead of the pipeline on a real IOMMU, compared with C++ loops over the same ioctls, in the guest
 * of the lab. A time over its limit is not a failure; a guest that does not run is.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { countedQuestions, kernelQuestions } from './kernel/index.js';
import { KERNEL_ARGUMENTS, NODE_FLAGS } from './kernel/counting.js';
import { compareRuns, drawComparison } from './support/compare.js';
import { outputColumns } from './support/layout.js';
import { buildNative, projectRoot } from './support/native-program.js';
import { drawVerdict } from './support/report.js';
import { readResults, ResultsFileError, writeResults } from './support/results.js';

const BAD_USAGE = 2;
/** The memory of the guest in addition to the mapped memory: for the system, Node.js, page tables. In MiB. */
const BESIDE = 1536;
const OUT = join(projectRoot, 'build/bench/guest');

interface Options {
  readonly quick?: true;
  readonly instructions?: true;
  readonly json?: string;
  readonly compare?: string;
  readonly kernel: string;
  readonly size?: number;
  readonly timeout: number;
}

const timedNames = kernelQuestions.map(({ name }) => name);
const countedNames = countedQuestions.map(({ name }) => name);
const program = new Command('npm run bench:kernel --')
  .description(
    'Measures the overhead of the pipeline on a real IOMMU, in a guest. Prints tables and writes all results as JSON.',
  )
  .addArgument(
    new Argument('[question...]', 'what to measure; default: everything').choices([...timedNames, ...countedNames]),
  )
  .option('--quick', 'few rounds and little memory, to test the benchmark itself; not for published figures')
  .option('--instructions', 'count instructions instead of time; reproducible within 2 %, also on a busy machine')
  .option('--json <file>', 'where to write the results; default build/bench/kernel.json, or instructions.json there')
  .option('--compare <file>', 'also compare with the results of an earlier run, and mark differences outside the noise')
  .addOption(new Option('--kernel <version>', 'the Linux version of the guest').choices(['6.12', '7.3']).default('7.3'))
  .option(
    '--size <MiB>',
    'size of the large mapping; at least 128; default 1024, or 128 with --quick or --instructions',
    memorySize,
  )
  .option('--timeout <seconds>', 'maximum run time', wholeNumber, 1800)
  .addHelpText(
    'after',
    `
Questions of time: ${timedNames.join(', ')}.
With --instructions: ${countedNames.join(', ')}.
These run on one emulated processor, whose clock advances one nanosecond with each instruction.
A comparison then reports differences of more than 2 % as changes.`,
  )
  .showHelpAfterError('--help says more')
  .exitOverride();

try {
  program.parse();
  const { quick = false, instructions = false, compare, kernel, timeout, ...given } = program.opts<Options>();
  const measured = instructions ? countedNames : timedNames;
  const stranger = program.args.find((name) => !measured.includes(name));
  if (stranger !== undefined) {
    program.error(
      `error: '${stranger}' is measured ${instructions ? 'without' : 'with'} --instructions; ` +
        `${instructions ? 'with' : 'without'} it: ${measured.join(', ')}`,
    );
  }
  const { size = quick || instructions ? 128 : 1024 } = given;
  const { json = join(projectRoot, `build/bench/${instructions ? 'instructions' : 'kernel'}.json`) } = given;
  const earlier = compare === undefined ? undefined : readResults(compare);
  if (compare !== undefined && (earlier?.counted !== undefined) !== instructions) {
    throw new ResultsFileError(
      instructions
        ? `${compare}: it holds times, and no instructions; give a file of a run with --instructions`
        : `${compare}: it holds instructions, and no times; give --instructions, or a file of a run without`,
    );
  }
  const columns = outputColumns();
  const loop = buildNative('ioctl_loop');
  const vcpuLoop = buildNative('vcpu_loop');
  mkdirSync(OUT, { recursive: true });
  const inGuest = join(OUT, 'kernel.json');
  const lab = [
    ...[join(projectRoot, 'dist/lab/main.js'), '--kernel', kernel, '--out', OUT],
    ...['--memory', String(size + BESIDE), '--timeout', String(timeout)],
    ...(instructions ? ['--count-instructions', '--append', KERNEL_ARGUMENTS] : []),
  ];
  const flags = ['--enable-source-maps', ...(instructions ? NODE_FLAGS : [])];
  const command = [
    ...[process.execPath, ...flags, join(projectRoot, 'dist/bench/kernel/guest.js')],
    ...['--json', inGuest, '--loop', loop, '--vcpu-loop', vcpuLoop, '--size', String(size)],
    ...(columns === Infinity ? [] : ['--columns', String(columns)]),
    ...[...(quick ? ['--quick'] : []), ...(instructions ? ['--instructions'] : []), ...program.args],
  ];
  const { status, error } = spawnSync(process.execPath, [...lab, ...command], {
    stdio: 'inherit',
    env: { ...process.env, INIT_CWD: projectRoot },
  });
  if (error !== undefined) {
    throw error;
  }
  if (status === 0) {
    // With --instructions the guest's clock differs from that of the host.
    const run = { ...readResults(inGuest), date: new Date().toISOString() };
    writeResults(json, run);
    if (earlier !== undefined) {
      console.log(drawComparison(compareRuns(earlier, run), earlier, run, columns));
    }
    console.log(drawVerdict(run.questions, columns));
    console.log(`written to ${json}`);
  } else {
    console.error(`bench:kernel: nothing was measured: the lab ended with ${String(status)}`);
    process.exitCode = 1;
  }
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : BAD_USAGE;
  } else if (error instanceof ResultsFileError) {
    console.error(`bench:kernel: ${error.message}`);
    process.exitCode = BAD_USAGE;
  } else {
    throw error;
  }
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) {
    throw new InvalidArgumentError('A whole number above 0 is needed.');
  }
  return Number(text);
}

/** Enough for a set of 64 mappings of 2 MiB each. */
function memorySize(text: string): number {
  const size = wholeNumber(text);
  if (size < 128 || size % 2 !== 0) {
    throw new InvalidArgumentError('An even number of at least 128 is needed.');
  }
  return size;
}
