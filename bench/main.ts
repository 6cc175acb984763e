/**
 * `npm run bench`: what the pipeline costs, beside what it may cost and what it would cost without it. Prints tables, and writes
 * everything as JSON. A time is never a failure.
 */
import { join } from 'node:path';
import { Argument, Command, CommanderError } from 'commander';
import { questions } from './questions/index.js';
import { compareRuns, drawComparison } from './support/compare.js';
import { measure } from './support/host.js';
import { projectRoot } from './support/native-program.js';
import { drawQuestion, drawVerdict } from './support/report.js';
import { makeResults, readResults, ResultsFileError, writeResults, type QuestionResult } from './support/results.js';

const BAD_USAGE = 2;
/** The loop that does as little as can be done. */
const CALIBRATION = 'change/loop/1';

interface Options {
  readonly quick?: true;
  readonly json: string;
  readonly compare?: string;
}

const names = questions.map(({ name }) => name);
const program = new Command('npm run bench --')
  .description(
    'Measures what the pipeline costs: tables here, everything as JSON. Exits with 0 whatever the times are.',
  )
  .addArgument(new Argument('[question...]', 'what to measure; default: everything').choices(names))
  .option('--quick', 'few rounds of small sizes: to see that it works, not for the figures')
  .option('--json <file>', 'where to write the results', join(projectRoot, 'build/bench/bench.json'))
  .option('--compare <file>', 'also show ratios to the results of an earlier run, and which are outside the noise')
  .showHelpAfterError('--help says more')
  .exitOverride();

try {
  program.parse();
  const { quick = false, json, compare } = program.opts<Options>();
  // Before minutes are spent on measuring.
  const earlier = compare === undefined ? undefined : readResults(compare);
  const chosen = questions.filter(({ name }) => program.args.length === 0 || program.args.includes(name));
  const results: QuestionResult[] = [];
  for (const question of chosen) {
    const { samples, warnings } = await measure(question, quick, progress(question.name));
    const { name, title, about } = question;
    const result = { name, title, about, warnings: [...new Set(warnings)], figures: question.figures(samples) };
    results.push(result);
    console.log(drawQuestion(result));
  }
  const run = makeResults({ where: 'host', quick, calibration: CALIBRATION, questions: results });
  writeResults(json, run);
  if (earlier !== undefined) {
    console.log(drawComparison(compareRuns(earlier, run), earlier, run));
  }
  console.log(drawVerdict(results));
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

/** A line that goes as soon as there is something to read instead; only for a terminal. */
function progress(name: string): (done: number, of: number) => void {
  return (done, of) => {
    if (process.stderr.isTTY) {
      process.stderr.write(`\r${name}: round ${done + 1} of ${of} \x1b[K${done + 1 === of ? '\r\x1b[K' : ''}`);
    }
  };
}
