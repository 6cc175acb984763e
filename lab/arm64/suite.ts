/**
 * Runs specs on the emulated machine: `node suite.js RESULT LEFT_OUT FILE...`. `LEFT_OUT` is a list of tests as JSON: the file of each, and a part of
 * its title. Writes what became of the tests to the file RESULT.
 */
import { writeFileSync } from 'node:fs';
import Mocha from 'mocha';

/** In milliseconds. An emulated Node.js takes seconds to start, and some tests start twenty. */
const TIMEOUT = 1_200_000;

/** A test that is not run. */
export interface LeftOutTest {
  readonly file: string;
  readonly title: string;
}

/** What became of the tests. */
export interface SuiteResult {
  readonly passed: number;
  readonly failed: number;
  /** Titles of the tests that skipped themselves, or were left out. */
  readonly skipped: readonly string[];
  /** Titles of the tests that got ENOSYS: they need a system call that the emulator has not. */
  readonly impossible: readonly string[];
}

const [result = '', leftOut = '[]', ...files] = process.argv.slice(2);
const left = JSON.parse(leftOut) as readonly LeftOutTest[];
const skipped: string[] = [];
const impossible: string[] = [];
const mocha = new Mocha({ reporter: 'spec', timeout: TIMEOUT });
files.forEach((file) => mocha.addFile(file));
await mocha.loadFilesAsync();
mocha.suite.eachTest((test: Mocha.Test) => {
  if (left.some(({ file, title }) => test.file === file && test.fullTitle().includes(title))) {
    test.pending = true;
  }
  skipWithoutSystemCall(test);
  // Whatever the spec says: its limit is that of a processor.
  test.timeout(TIMEOUT);
});
const runner = mocha.run(() => {
  const { passes = 0, failures = 0 } = runner.stats ?? {};
  writeFileSync(
    result,
    JSON.stringify({ passed: passes, failed: failures, skipped, impossible } satisfies SuiteResult),
  );
  process.exit(failures === 0 ? 0 : 1);
});
runner.on('pending', (test) => {
  if (!impossible.includes(test.fullTitle())) {
    skipped.push(test.fullTitle());
  }
});

/** Skips a test that fails with ENOSYS, which no kernel answers to the system calls of the addon. */
function skipWithoutSystemCall(test: Mocha.Test): void {
  const { fn } = test;
  if (fn === undefined || fn.length > 0) {
    return;
  }
  test.fn = async function (this: Mocha.Context) {
    try {
      await (fn as Mocha.AsyncFunc).call(this);
    } catch (error) {
      if (!(error instanceof Error) || !error.message.includes('ENOSYS')) {
        throw error;
      }
      impossible.push(test.fullTitle());
      this.skip();
    }
  };
}
