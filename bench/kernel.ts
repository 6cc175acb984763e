/**
 * `npm run bench:kernel`: what the pipeline costs on a real IOMMU, beside C++ loops over the same ioctls, in the guest of the lab. A time
 * is never a failure; a guest that does not run is one.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { kernelQuestions } from './kernel/index.js';
import { compareRuns, drawComparison } from './support/compare.js';
import { buildNative, projectRoot } from './support/native-program.js';
import { drawVerdict } from './support/report.js';
import { readResults, ResultsFileError, writeResults } from './support/results.js';

const BAD_USAGE = 2;
/** What the guest needs besides the memory that is mapped: itself, Node.js, page tables. In MiB. */
const BESIDE = 1536;
const OUT = join(projectRoot, 'build/bench/guest');

interface Options {
  readonly quick?: true;
  readonly json: string;
  readonly compare?: string;
  readonly kernel: string;
  readonly size?: number;
  readonly timeout: number;
}

const names = kernelQuestions.map(({ name }) => name);
const program = new Command('npm run bench:kernel --')
  .description(
    'Measures what the pipeline costs on a real IOMMU, in a guest that has one: tables here, everything as JSON.',
  )
  .addArgument(new Argument('[question...]', 'what to measure; default: everything').choices(names))
  .option('--quick', 'few rounds and little memory: to see that it works, not for the figures')
  .option('--json <file>', 'where to write the results', join(projectRoot, 'build/bench/kernel.json'))
  .option('--compare <file>', 'also show ratios to the results of an earlier run, and which are outside the noise')
  .addOption(new Option('--kernel <version>', 'of the guest').choices(['6.12', '7.3']).default('7.3'))
  .option('--size <MiB>', 'of the large mapping; at least 128; default 1024, or 128 with --quick', memorySize)
  .option('--timeout <seconds>', 'when to give up', wholeNumber, 1800)
  .showHelpAfterError('--help says more')
  .exitOverride();

try {
  program.parse();
  const { quick = false, json, compare, kernel, timeout, size = quick ? 128 : 1024 } = program.opts<Options>();
  const earlier = compare === undefined ? undefined : readResults(compare);
  const loop = buildNative('ioctl_loop');
  mkdirSync(OUT, { recursive: true });
  const inGuest = join(OUT, 'kernel.json');
  const lab = [join(projectRoot, 'dist/spec/lab/main.js'), '--kernel', kernel, '--out', OUT];
  const command = [process.execPath, '--enable-source-maps', join(projectRoot, 'dist/bench/kernel/guest.js')];
  const { status, error } = spawnSync(
    process.execPath,
    [
      ...lab,
      ...['--memory', String(size + BESIDE), '--timeout', String(timeout)],
      ...command,
      ...['--json', inGuest, '--loop', loop, '--size', String(size), ...(quick ? ['--quick'] : []), ...program.args],
    ],
    { stdio: 'inherit', env: { ...process.env, INIT_CWD: projectRoot } },
  );
  if (error !== undefined) {
    throw error;
  }
  if (status === 0) {
    const run = readResults(inGuest);
    writeResults(json, run);
    if (earlier !== undefined) {
      console.log(drawComparison(compareRuns(earlier, run), earlier, run));
    }
    console.log(drawVerdict(run.questions));
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

/** Room for a set of 64 mappings of 2 MiB each. */
function memorySize(text: string): number {
  const size = wholeNumber(text);
  if (size < 128 || size % 2 !== 0) {
    throw new InvalidArgumentError('An even number of at least 128 is needed.');
  }
  return size;
}
