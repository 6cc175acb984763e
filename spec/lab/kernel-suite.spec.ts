import { expect } from 'chai';
import { labAvailability } from './availability.js';
import { isGood, runKernelSuite } from './kernel-suite.js';

describe('the specs that need a real IOMMU', function () {
  this.timeout(2_500_000);
  const lab = labAvailability();
  // Whoever runs `npm run test:kernel` besides, on both kernels, need not wait for one of them twice.
  const isElsewhere = process.env['DMA_STREAMS_KERNEL_SPECS'] === 'elsewhere';

  if (!lab.available || isElsewhere) {
    const sentence = lab.available
      ? 'NOT RUN here, because DMA_STREAMS_KERNEL_SPECS says that npm run test:kernel does'
      : `NOT RUN, because the guest cannot run here: ${lab.why}`;
    console.warn(`\n  the specs that need a real IOMMU: ${sentence}\n`);
    it(sentence);
    return;
  }

  it(`pass in a guest with Linux ${lab.version}`, async () => {
    let text = '';
    const result = await runKernelSuite(lab.kernel, { write: (data) => (text += data.toString()) });

    expect(isGood(result), `${JSON.stringify(result)}\n${text}`).to.equal(true);
  });
});
