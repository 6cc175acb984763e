import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { projectRoot } from '../../lab/paths.js';
import { temporaryRoot } from '../../lab/temporary-folder.js';
import { collectGarbage } from '../binding/support/collect-garbage.js';

/** The folders of `dist/spec/` whose specs count the descriptors of their process. */
const COUNTING = /^(binding|sources|targets)\//;

/** Turns of the event loop in which the count has to stay as it is. */
const CALM_TURNS = 5;

let file: string | undefined;

// The first temporary folder of a process opens descriptors, which a test would count that is run alone.
temporaryRoot();

/**
 * Root hooks of mocha: before the first test of a file that counts descriptors, what the files before it have left to the garbage collector is
 * collected. It would otherwise go, with its descriptors, while a test counts them.
 */
export const mochaHooks = {
  async beforeEach(this: Mocha.Context): Promise<void> {
    const next = this.currentTest?.file;
    if (next !== file && next !== undefined && COUNTING.test(relative(join(projectRoot, 'dist/spec'), next))) {
      await closeWhatIsForgotten();
    }
    file = next;
  },
};

async function closeWhatIsForgotten(): Promise<void> {
  collectGarbage();
  // The addon closes descriptors in later turns.
  for (let [before, calm] = [NaN, 0]; calm < CALM_TURNS;) {
    await turn();
    const { length } = readdirSync('/proc/self/fd');
    calm = length === before ? calm + 1 : 0;
    before = length;
  }
}
