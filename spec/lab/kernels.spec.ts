import { spawnSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { temporaryFolder } from '../../lab/temporary-folder.js';
import { missingPackages } from '../../lab/packages.js';

describe('a kernel that is not built yet', () => {
  it('is built after a word on it and on the time it takes, in a folder that goes afterwards', function () {
    if (missingPackages().includes('util-linux')) {
      console.warn('      NOT RUN: util-linux is missing (apt-get install util-linux)');
      this.skip();
    }
    const [commands, cache, temporary] = [temporaryFolder('bin-'), temporaryFolder('cache-'), temporaryFolder('tmp-')];
    // The build ends at once, because nothing can be installed.
    for (const name of ['apt-get', 'sudo']) {
      writeFileSync(join(commands, name), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
    }
    const source = `
      import { ensureKernel } from ${JSON.stringify(new URL('../../lab/kernels.js', import.meta.url).href)};
      ensureKernel('6.12');`;
    const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', source], {
      encoding: 'utf8',
      env: {
        PATH: `${commands}:${process.env['PATH'] ?? ''}`,
        XDG_CACHE_HOME: cache,
        TMPDIR: temporary,
        DMA_STREAMS_LAB_KERNEL: '',
      },
    });
    const said = stderr.indexOf('Building it once takes about ten minutes');
    expect(said, stderr).to.be.at.least(0);
    expect(stderr).to.contain(join(cache, 'dma-streams', 'bzImage-6.12'));
    expect(stderr.indexOf('kernel 6.12: installing')).to.be.greaterThan(said);
    expect(stderr).to.contain('build-kernel.sh ended with 1');
    expect(status).to.equal(1);
    expect(readdirSync(temporary)).to.deep.equal([]);
  });
});
