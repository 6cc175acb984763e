/**
 * `npm run test:kernel`: the specs that need a real IOMMU, in a guest, on each kernel. Installs and builds what is missing. A version given
 * as an argument is the only one.
 */
import { ensureKernel, KERNEL_VERSIONS } from './kernels.js';
import { isGood, runKernelSuite } from './kernel-suite.js';
import { installPackages } from './packages.js';

const wanted = process.argv.slice(2);
const unknown = wanted.find((version) => !KERNEL_VERSIONS.some((known) => known === version));
if (unknown !== undefined) {
  console.error(`test:kernel: there is no kernel '${unknown}': give none, or one of ${KERNEL_VERSIONS.join(', ')}`);
  process.exit(2);
}
installPackages();
let passed = 0;
let failed = 0;
for (const version of KERNEL_VERSIONS.filter((known) => wanted.length === 0 || wanted.includes(known))) {
  console.log(`\nLinux ${version}, in a guest with an IOMMU`);
  const result = await runKernelSuite(ensureKernel(version), { write: (data) => process.stdout.write(data) });
  passed += result.passed;
  failed += result.failed;
  if (!isGood(result)) {
    process.exitCode = 1;
    // A guest that was lost is a failure of its own, whatever had passed before.
    failed += result.failed === 0 ? 1 : 0;
    const { end } = result;
    console.error(
      end.kind === 'exited'
        ? `Linux ${version}: mocha ended with ${end.status}, ${result.passed} passed`
        : `Linux ${version}: the guest ${end.kind}: ${end.detail}`,
    );
  }
}
console.log(`\nkernel specs: ${passed} passed, ${failed} failed`);
