import { expect } from 'chai';
import { runVmm, SAID, saidIn } from '../support/tiny-vmm.js';

describe('examples/tiny-vmm.ts, in the guest', () => {
  it('runs a guest of its own, which reads what a real device has copied through the IOMMU', async function () {
    this.timeout(120_000);
    const { stdout, stderr, status } = await runVmm();
    expect(stderr).to.equal('');
    expect(stdout).to.match(/^ {2}DMA +edu at 0000:00:04\.0, by iommufd$/m);
    expect(saidIn(stdout)).to.deep.equal(SAID);
    expect(status).to.equal(0);
  });
});
