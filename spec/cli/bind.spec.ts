import { expect } from 'chai';
import { dmaStreams } from './support/command.js';

describe('the commands bind and unbind', function () {
  this.timeout(60_000);

  for (const name of ['bind', 'unbind']) {
    it(`${name}: a device that does not exist is invalid usage, and so is none`, async () => {
      const missing = await dmaStreams([name, 'ffff:ff:1f.7', '--group', '--dry-run']);
      expect(missing.stderr).to.match(/^dma-streams: there is no PCI device ffff:ff:1f\.7; this machine has /);
      expect(missing).to.include({ status: 2, stdout: '' });
      const none = await dmaStreams([name]);
      expect(none.stderr).to.equal(`dma-streams: missing required argument 'device'; see dma-streams ${name} --help\n`);
      expect(none.status).to.equal(2);
    });
  }
});
