import { expect } from 'chai';
import { writeFileSync } from 'node:fs';
import { AddressSpace, Memfd } from '../../binding/index.js';
import { DmaMapError, MemoryRange, RegionManager, type DmaError, type DmaTarget } from '../../streams/index.js';
import { copyByDma } from './support/edu.js';
import { type1 } from './support/machine.js';

const PAGE = 4096n;

describe('pieces at type1', () => {
  it('65,536 of them are reported while they are hidden, refused before the first map, and fit with twice the granule', async function () {
    this.timeout(120_000);
    // Host addresses of pieces may each be an area of the process, of which the kernel allows 65,530 by default.
    writeFileSync('/proc/sys/vm/max_map_count', '1000000');
    using way = type1();
    way.openDevice();
    const range = MemoryRange.ofLength(1n << 32n, 65_536n * PAGE);
    using memfd = Memfd.create('ram', range.length);
    using space = new AddressSpace({ size: 1n << 34n });
    const warnings: DmaError[] = [];
    await using manager = new RegionManager({
      overlap: 'any',
      vaMapper: space,
      onWarning: (warning) => warnings.push(warning),
      // Tens of thousands of maps take seconds on a slow machine.
      warnAfter: Infinity,
    });
    const attachment = await manager.attach(way.target);
    const available = way.container?.info.dmaEntriesAvailable;
    expect(available).to.equal(65_535);
    expect((way.target as DmaTarget).maxMaps).to.equal(available);

    const region = await manager.addRegion({ name: 'ram', range, type: 'ram' });
    const rangeInRegion = MemoryRange.ofLength(0, range.length);
    const mapping = { rangeInRegion, backing: { mappable: memfd, fileOffset: 0n }, writable: true };
    await region.addMapping({ ...mapping, granule: PAGE });
    expect(warnings.map(({ code, region: name }) => `${code} ${String(name)}`)).to.deep.equal([
      'ERR_TOO_MANY_PIECES ram',
    ]);

    const error: unknown = await region.map({ writable: true }).catch((thrown: unknown) => thrown);
    expect(error).to.be.instanceOf(DmaMapError);
    const { code, hint, undone } = error as DmaMapError;
    expect(code).to.equal('ENOSPC');
    expect(hint).to.match(/65535 entries are left and 65536 needed: .*larger granule/);
    expect(undone).to.deep.equal([]);
    expect(way.container?.info.dmaEntriesAvailable).to.equal(available);

    await region.removeMappings(rangeInRegion);
    await region.addMapping({ ...mapping, granule: 2n * PAGE });
    await region.map({ writable: true });
    expect(warnings).to.have.length(1);
    expect(way.container?.info.dmaEntriesAvailable).to.equal(65_535 - 32_768);
    await attachment.detach();
    expect(way.container?.info.dmaEntriesAvailable).to.equal(available);
  });

  it("a device's own DMA reaches the pieces beside an overlay, and the whole mapping when it is gone", async () => {
    using way = type1();
    const device = way.openDevice();
    const range = MemoryRange.ofLength(0x10_0000n, 8n * PAGE);
    using memfd = Memfd.create('ram', range.length);
    using rom = Memfd.create('rom', PAGE);
    using space = new AddressSpace({ size: 1n << 34n });
    await using manager = new RegionManager({ overlap: 'any', vaMapper: space });
    const attachment = await manager.attach(way.target);
    const [ram, overlay] = await manager.transaction((edit) =>
      (
        [
          ['ram', range, memfd, 0],
          ['rom', MemoryRange.ofLength(range.start + 2n * PAGE, PAGE), rom, 1],
        ] as const
      ).map(([name, at, mappable, priority]) => {
        const region = edit.addRegion({ name, range: at, priority, type: 'ram' });
        const rangeInRegion = MemoryRange.ofLength(0, at.length);
        edit.addMapping(region, { rangeInRegion, backing: { mappable, fileOffset: 0n }, writable: true });
        edit.map(region, { writable: true });
        return region;
      }),
    );
    const at = (page: number): bigint => range.start + BigInt(page) * PAGE;
    expect(attachment.ledger().map((entry) => entry.range.toString())).to.deep.equal([
      '0x100000-0x102000',
      '0x102000-0x103000',
      '0x103000-0x108000',
    ]);
    space.write(at(2), Buffer.from('of the ROM'));
    await copyByDma(device, at(2), at(7), 10);
    expect(space.read(at(7), 10).toString()).to.equal('of the ROM');

    await overlay?.remove();
    expect(ram?.activeMappings.map((piece) => piece.range.toString())).to.deep.equal([range.toString()]);
    expect(attachment.ledger()).to.have.length(1);
    await copyByDma(device, at(7), at(2), 10);
    expect(space.read(at(2), 10).toString()).to.equal('of the ROM');
    await attachment.detach();
  });
});
