/**
 * The process in which the cases of one host run: `host-process.js QUESTION PARAMETERS`. It says which cases it has, then runs the one that
 * it is asked for, and again, until its parent is gone.
 */
import { performance } from 'node:perf_hooks';
import { questions } from '../questions/index.js';
import type { HostMessage, HostRequest } from './host.js';
import type { Measured, Parameters, Round, Sample } from './question.js';

const [name = '', parameters = '{}'] = process.argv.slice(2);

function say(message: HostMessage): void {
  process.send?.(message);
}

async function setUp(): Promise<Measured> {
  const question = questions.find((one) => one.name === name);
  if (question === undefined) {
    throw new Error(`there is no question '${name}'`);
  }
  return question.setUp(JSON.parse(parameters) as Parameters);
}

function complain(error: unknown): void {
  say({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
}

/** A round that is longer than this is not made again, in milliseconds. */
const SHORT = 60;
const ATTEMPTS = 4;

/**
 * The sample of a round during which the kernel did not give the processor to somebody else: a short round is made again until there is one, a few
 * times; then the least disturbed one counts.
 */
async function undisturbed(round: Round): Promise<Sample> {
  let best: Sample = {};
  let least = Infinity;
  for (let attempt = 0; attempt < ATTEMPTS && least > 0; attempt++) {
    const before = process.resourceUsage().involuntaryContextSwitches;
    const start = performance.now();
    const sample = await round();
    const taken = performance.now() - start;
    const disturbances = process.resourceUsage().involuntaryContextSwitches - before;
    if (disturbances < least) {
      least = disturbances;
      best = sample;
    }
    if (taken > SHORT) {
      break;
    }
  }
  return best;
}

process.once('disconnect', () => process.exit());
try {
  const { cases, warnings = [] } = await setUp();
  process.on('message', ({ run }: HostRequest) => {
    void (async () => {
      try {
        const round = cases[run];
        if (round === undefined) {
          throw new Error(`there is no case '${run}'`);
        }
        say({ sample: await undisturbed(round) });
      } catch (error) {
        complain(error);
      }
    })();
  });
  say({ ready: Object.keys(cases), warnings });
} catch (error) {
  complain(error);
}
