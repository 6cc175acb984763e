/**
 * `npm run test:kernel`: the specs that need a guest. Those of the lab itself, then those that need a real IOMMU, in a guest, on each
 * kernel: the guests run side by side where there is memory for them, and each line that they print begins with the version of its kernel.
 * Installs and builds what is missing. A version given as an argument is the only one. Adds a line with the counts to a file, like
 * tooling/counting-reporter.js.
 */
import { appendFileSync } from 'node:fs';
import Mocha from 'mocha';
import { memoryForGuest } from './guest.js';
import { ensureKernel, KERNEL_VERSIONS, type KernelVersion } from './kernels.js';
import { isGood, runKernelSuite, type SuiteResult } from './kernel-suite.js';
import { LinePrefix } from './line-prefix.js';
import { installPackages } from './packages.js';
import { projectRoot } from './paths.js';
import { unreadableParts } from './reach.js';
import { SuiteProgress } from './suite-progress.js';

const wanted = process.argv.slice(2);
const unknown = wanted.find((version) => !KERNEL_VERSIONS.some((known) => known === version));
if (unknown !== undefined) {
  console.error(`test:kernel: there is no kernel '${unknown}': give none, or one of ${KERNEL_VERSIONS.join(', ')}`);
  process.exit(2);
}
const [unreadable] = unreadableParts(projectRoot);
if (unreadable !== undefined) {
  console.error(
    `test:kernel: other users cannot read ${unreadable}, and some specs run as nobody: chmod -R go+rX ${projectRoot}`,
  );
  process.exit(2);
}

interface SuiteOfKernel extends SuiteResult {
  readonly version: KernelVersion;
}

installPackages();
let passed = 0;
let failed = 0;
const titles: string[] = [];
const versions = KERNEL_VERSIONS.filter((known) => wanted.length === 0 || wanted.includes(known));
// All kernels are built first, because the specs of the lab are skipped without one.
versions.forEach(ensureKernel);

console.log('\nThe lab itself');
const lab = await runLabSpecs();
passed += lab.passed;
failed += lab.failed;
titles.push(...lab.titles);
if (lab.failed > 0) {
  process.exitCode = 1;
}

console.log(`\nThe specs that need an IOMMU, in guests with Linux ${versions.join(' and ')}`);
const results: SuiteOfKernel[] = [];
if (process.availableMemory() >= versions.length * memoryForGuest()) {
  results.push(...(await Promise.all(versions.map(runWithProgress))));
} else {
  console.log('The guests run one after another: this machine has not enough memory for them side by side.');
  for (const version of versions) {
    results.push(await runWithProgress(version));
  }
}
for (const result of results) {
  passed += result.passed;
  failed += result.failed;
  titles.push(...result.titles.map((title) => `Linux ${result.version}: ${title}`));
  if (!isGood(result)) {
    process.exitCode = 1;
    // A lost guest is a failure, regardless of the specs that passed before.
    failed += result.failed === 0 ? 1 : 0;
    const { version, end } = result;
    const reason =
      end.kind === 'exited'
        ? `Linux ${version}: mocha ended with ${end.status}, ${result.passed} passed`
        : `Linux ${version}: the guest ${end.kind}: ${end.detail}`;
    console.error(reason);
    if (result.failed === 0) {
      titles.push(reason);
    }
  }
}
console.log(`\nkernel specs: ${passed} passed, ${failed} failed`);
const countsFile = process.env['DMA_STREAMS_TEST_COUNTS'] ?? '';
if (countsFile !== '') {
  appendFileSync(countsFile, `${JSON.stringify({ passed, failed, titles })}\n`);
}

async function runWithProgress(version: KernelVersion): Promise<SuiteOfKernel> {
  using output = new LinePrefix(versions.length > 1 ? `${version}  ` : '', process.stdout);
  using progress = new SuiteProgress(`Linux ${version}`, versions.length > 1 ? output : process.stdout);
  try {
    const write = progress.write.bind(progress);
    return { version, ...(await runKernelSuite(ensureKernel(version), { write })) };
  } catch (error) {
    // The other guest goes on.
    return {
      version,
      passed: 0,
      failed: 0,
      pending: 0,
      titles: [],
      end: { kind: 'not-started', detail: String(error) },
    };
  }
}

/** Runs guest.spec.ts here, on the host: it boots guests itself. */
async function runLabSpecs(): Promise<Pick<SuiteResult, 'passed' | 'failed' | 'titles'>> {
  const mocha = new Mocha({ reporter: 'spec' });
  mocha.addFile(`${projectRoot}dist/spec/lab/guest.spec.js`);
  await mocha.loadFilesAsync();
  const failures: string[] = [];
  return new Promise((resolve) => {
    const runner = mocha.run((failed) => {
      resolve({ passed: runner.stats?.passes ?? 0, failed, titles: failures });
    });
    runner.on('fail', (test) => failures.push(test.fullTitle()));
  });
}
