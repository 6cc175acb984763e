/**
 * Runs specs on the emulated machine: `node suite.js RESULT LEFT_OUT FILE...`. `LEFT_OUT` is a list of tests as JSON: the file of each, and a part of
 * its title. Writes what has become of the tests to the file RESULT, whenever one begins or ends.
 */
import { renameSync, writeFileSync } from 'node:fs';
import Mocha from 'mocha';
import { temporaryRoot } from '../temporary-folder.js';

/** In milliseconds. An emulated Node.js takes seconds to start, and some tests start twenty. */
const TIMEOUT = 600_000;

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
  /** The title of the test or hook that runs; without one, the tests have ended. */
  readonly running?: string;
}

const [result = '', leftOut = '[]', ...files] = process.argv.slice(2);
// It opens descriptors, and some tests count those of their process.
temporaryRoot();
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
const runner = mocha.run((failures) => {
  note();
  process.exit(failures === 0 ? 0 : 1);
});
for (const event of ['test', 'hook'] as const) {
  runner.on(event, (one: Mocha.Runnable) => {
    note(one.fullTitle());
  });
}
runner.on('pending', (test) => {
  if (!impossible.includes(test.fullTitle())) {
    skipped.push(test.fullTitle());
  }
});

/** Writes the result so far. */
function note(running?: string): void {
  const { passes = 0, failures = 0 } = runner.stats ?? {};
  const written: SuiteResult = {
    passed: passes,
    failed: failures,
    skipped,
    impossible,
    ...(running === undefined ? {} : { running }),
  };
  // Whoever reads it finds a whole one.
  writeFileSync(`${result}.new`, JSON.stringify(written));
  renameSync(`${result}.new`, result);
}

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
