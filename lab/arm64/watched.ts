import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { projectRoot } from '../paths.js';
import type { SuiteResult } from './suite.js';

/** In milliseconds: how long a test may run. Longer than the limit of the suite itself, which ends tests that return to the event loop. */
const LIMIT = 900_000;
const INTERVAL = 1000;

/**
 * Runs a suite that writes its result to a file, and kills it when one test runs for more than fifteen minutes: a test that does not return to the
 * event loop has no other end.
 *
 * @returns what it wrote last, with `running` if it did not come to its end
 */
export async function runWatched(
  command: readonly string[],
  result: string,
  env: NodeJS.ProcessEnv,
): Promise<SuiteResult> {
  // In a group of its own, with all that the tests start; it ends with this process.
  const suite = spawn('setpriv', ['--pdeathsig', 'KILL', ...command], {
    cwd: projectRoot,
    stdio: ['ignore', 'inherit', 'inherit'],
    detached: true,
    env,
  });
  let running: string | undefined;
  let since = Date.now();
  const timer = setInterval(() => {
    const now = readResult(result).running;
    if (now !== running) {
      running = now;
      since = Date.now();
    } else if (Date.now() - since > LIMIT && suite.pid !== undefined) {
      clearInterval(timer);
      process.kill(-suite.pid, 'SIGKILL');
    }
  }, INTERVAL);
  await once(suite, 'close');
  clearInterval(timer);
  return readResult(result);
}

function readResult(path: string): SuiteResult {
  return existsSync(path)
    ? (JSON.parse(readFileSync(path, 'utf8')) as SuiteResult)
    : { passed: 0, failed: 0, skipped: [], impossible: [], running: 'the load of the file' };
}
