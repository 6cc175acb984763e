import { appendFileSync } from 'node:fs';
import mocha from 'mocha';

/** Names the file that the counts go to. Without it this is mocha's dot reporter. */
const FILE_VARIABLE = 'DMA_STREAMS_TEST_COUNTS';

/**
 * Mocha's dot reporter, which also adds a line of JSON with the counts to a file when the run has ended: for whoever sums up several
 * runs. A run that was cut short adds no line.
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
      appendFileSync(file, `${JSON.stringify({ passed: passes, failed: failures, pending })}\n`);
    });
  }
}
