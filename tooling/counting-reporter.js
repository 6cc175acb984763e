import { appendFileSync } from 'node:fs';
import mocha from 'mocha';

/** Names the file that the counts go to. Without it this is mocha's dot reporter. */
const FILE_VARIABLE = 'DMA_STREAMS_TEST_COUNTS';

/**
 * Mocha's dot reporter, which also adds a line of JSON to a file when the run has ended, with the counts and the titles of the tests that
 * failed: for whoever sums up several runs. A run that was cut short adds no line.
 */
export default class CountingReporter extends mocha.reporters.Dot {
  /**
   * @param {mocha.Runner} runner
   * @param {mocha.MochaOptions} options
   */
  constructor(runner, options) {
    super(runner, options);
    const file = process.env[FILE_VARIABLE];
    if (file === undefined || file === '') {
      return;
    }
    runner.once('end', () => {
      const { passes, failures, pending } = this.stats;
      const titles = this.failures.map((test) => test.fullTitle());
      appendFileSync(file, `${JSON.stringify({ passed: passes, failed: failures, pending, titles })}\n`);
    });
  }
}
