import { expect } from 'chai';
import { labAvailability } from './availability.js';
import { isGood, runKernelSuite } from './kernel-suite.js';

describe('the specs that need a real IOMMU', function () {
  this.timeout(2_500_000);
  const lab = labAvailability();

  if (!lab.available) {
    const sentence = `NOT RUN, because the guest cannot run here: ${lab.why}`;
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
