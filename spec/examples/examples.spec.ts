import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PACKAGE } from '../cli/support/command.js';

const run = promisify(execFile);

/** What each example shows, as lines of its output in this order; others may come between. */
const ESSENCE: Readonly<Record<string, readonly string[]>> = {
  'compose-targets': [
    'ram only: map   0x0-0xc0000000 rw ram low, ram+0x0',
    'ram only: map   0xfff00000-0x100000000 r  bios, bios+0x0',
    'ram only: map   0x100000000-0x140000000 rw ram high, ram+0xc0000000',
    'the VMM reads: hello',
    'iommu holds 0x0-0xc0000000, 0xe0000000-0xe1000000, 0xfff00000-0x100000000, 0x100000000-0x140000000',
    'ram only holds 0x0-0xc0000000, 0xfff00000-0x100000000, 0x100000000-0x140000000',
    'ram only: unmap 0x0-0xc0000000',
  ],
  'hot-attach': [
    'taken back: 0x4000000-0x5000000, 0x2000000-0x3000000, 0x0-0x1000000',
    'the small one holds 0 mappings',
    'attached 100 %',
    'log: unmap 0x6000000-0x7000000',
    'iommu holds 0x0-0x1000000, 0x2000000-0x3000000, 0x4000000-0x5000000',
    'after the detach it holds 0 mappings',
  ],
  'marble-order': ['all events came in the expected order, in the expected frames'],
  'marble-test': ['the outcomes came when they had to, and a set that did not fit left nothing behind'],
  metrics: [
    '# the fourth module is refused: ENOSPC',
    '# HELP dma_streams_changes_total Maps and unmaps that took effect at a target',
    'dma_streams_changes_total{target="nic",operation="map"} 4',
    'dma_streams_changes_size_total{target="nic",operation="unmap"} 33554432',
    'dma_streams_sets_failed_total{target="small",error_type="ENOSPC"} 1',
    'dma_streams_sets_undone_total{target="nic"} 1',
    'dma_streams_set_duration_count{target="nic"} 7',
    'dma_streams_held_size{target="nic"} 33554432',
    'dma_streams_stuck{target="small"} 0',
  ],
  'pc-memory': [
    'log: map   0x100000-0xbf800000 rw ram, ram+0x100000',
    'log: map   0x100000000-0x140000000 rw ram high, ram+0xc0000000',
    'ram shows at 0x0-0xa0000 and 0xc0000-0xe0000 and 0x100000-0xbf800000',
    'log: map   0xe0000-0x100000 r  pam, ram+0xe0000',
    'log: unmap 0x100000-0xbf800000',
    'log: map   0x100000-0xbf000000 rw ram, ram+0x100000',
    'log: map   0xbf000000-0xc0000000 rw device vram, vram+0x0',
    'it goes away: RAM is whole again there',
    'log: map   0x100000-0xbf800000 rw ram, ram+0x100000',
    'device DMA finds the shadow in RAM: shadow',
    'log: map   0x100501000-0x140000000 rw ram high, ram+0xc0501000',
    'log: map   0x100000000-0x140000000 rw ram high, ram+0xc0000000',
    'the same with RAM in granules of 256 MiB: three of them are not touched',
    'log: unmap 0x140000000-0x150000000',
    'log: map   0x140000000-0x140500000 rw granules, ram+0xc0000000',
    'log: map   0x140501000-0x150000000 rw granules, ram+0xc0501000',
    'iommu holds 4 pieces of it, 10 mappings in all',
    // At the end everything is unmapped, every piece as it was mapped.
    'log: unmap 0x100000-0xbf800000',
    'log: unmap 0x140000000-0x150000000',
  ],
  'share-memory': ['shared: 0x100000-0x1100000 of ram', 'the other process reads: hello', 'the VMM reads: world'],
};

function namesOfExamples(): string[] {
  return readdirSync(join(PACKAGE, 'examples'))
    .filter((file) => file.endsWith('.ts'))
    .map((file) => file.slice(0, -'.ts'.length));
}

/** Those of `expected` that `lines` has, in the order in which it has them. */
function occurring(lines: readonly string[], expected: readonly string[]): string[] {
  return lines.filter((line) => expected.includes(line));
}

describe('the examples', () => {
  it('are all looked at here', () => {
    // These need KVM, another program, or a reader, and have specs of their own.
    expect(namesOfExamples()).to.have.members([...Object.keys(ESSENCE), 'inspect', 'tiny-vmm', 'vhost-user-disk']);
  });

  for (const [name, expected] of Object.entries(ESSENCE)) {
    it(`${name} runs, and shows what it is there for`, async function () {
      this.timeout(60_000);
      const { stdout, stderr } = await run(process.execPath, [join(PACKAGE, 'dist/examples', `${name}.js`)]);
      expect(stderr).to.equal('');
      expect(occurring(stdout.split('\n'), expected)).to.deep.equal(expected);
    });
  }

  it('hot-attach says why the small IOMMU was refused, and what to do', async function () {
    this.timeout(60_000);
    const { stdout } = await run(process.execPath, [join(PACKAGE, 'dist/examples/hot-attach.js')]);
    expect(stdout).to.match(/^refused: ENOSPC: .*3 of 3 entries.*"dimm 3".*"small"/m);
    expect(stdout).to.match(/^hint: .*fewer, larger ranges/m);
  });
});
