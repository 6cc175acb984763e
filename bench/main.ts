/**
 * `npm run bench`: measures the overhead of the pipeline, compared with its budget and with baselines that do not use it. Prints tables,
 * and writes all results as JSON. A time over its limit is not a failure.
 */
import { join } from 'node:path';
import { Argument, Command, CommanderError } from 'commander';
import { questions } from './questions/index.js';
import { compareRuns, drawComparison } from './support/compare.js';
import { measure } from './support/host.js';
import { outputColumns } from './support/layout.js';
import { projectRoot } from './support/native-program.js';
import { drawQuestion, drawVerdict } from './support/report.js';
import { makeResults, readResults, ResultsFileError, writeResults, type QuestionResult } from './support/results.js';

const BAD_USAGE = 2;
/** The minimal loop, with which the speed of the machine is measured. */
const CALIBRATION = 'change/loop/1';

interface Options {
  readonly quick?: true;
  readonly json: string;
  readonly compare?: string;
}

const names = questions.map(({ name }) => name);
const program = new Command('npm run bench --')
  .description(
    'Measures the overhead of the pipeline. Prints tables and writes all results as JSON. A time over its limit is not a failure.',
  )
  .addArgument(new Argument('[question...]', 'what to measure; default: everything').choices(names))
  .option('--quick', 'few rounds and small sizes, to test the benchmark itself; not for published figures')
  .option('--json <file>', 'where to write the results', join(projectRoot, 'build/bench/bench.json'))
  .option('--compare <file>', 'also compare with the results of an earlier run, and mark differences outside the noise')
  .showHelpAfterError('see --help')
  .exitOverride();

try {
  program.parse();
  const { quick = false, json, compare } = program.opts<Options>();
  // Fails before the measurement, which takes minutes.
  const earlier = compare === undefined ? undefined : readResults(compare);
  const chosen = questions.filter(({ name }) => program.args.length === 0 || program.args.includes(name));
  const columns = outputColumns();
  const results: QuestionResult[] = [];
  for (const question of chosen) {
    const { samples, warnings } = await measure(question, quick, progress(question.name));
    const { name, title, about } = question;
    const result = { name, title, about, warnings: [...new Set(warnings)], figures: question.figures(samples) };
    results.push(result);
    console.log(drawQuestion(result, columns));
  }
  const run = makeResults({ where: 'host', quick, calibration: CALIBRATION, questions: results });
  writeResults(json, run);
  if (earlier !== undefined) {
    console.log(drawComparison(compareRuns(earlier, run), earlier, run, columns));
  }
  console.log(drawVerdict(results, columns));
  console.log(`written to ${json}`);
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : BAD_USAGE;
  } else if (error instanceof ResultsFileError) {
    console.error(`bench: ${error.message}`);
    process.exitCode = BAD_USAGE;
  } else {
    throw error;
  }
}

/** A progress line on a terminal, cleared when the results are printed. */
function progress(name: string): (done: number, of: number) => void {
  return (done, of) => {
    if (process.stderr.isTTY) {
      process.stderr.write(`\r${name}: round ${done + 1} of ${of} \x1b[K${done + 1 === of ? '\r\x1b[K' : ''}`);
    }
  };
}
