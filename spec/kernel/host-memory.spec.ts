import { fstatSync, readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { DmaBatch, Memfd, type VfioDevice } from '../../binding/index.js';
import { native } from '../../binding/native.js';
import { DmaMapError } from '../../streams/index.js';
import { MAPPERS } from '../binding/support/mappers.js';
import { dmaError } from '../binding/support/thrown.js';
import { rejectionOf } from '../streams/support/phrases.js';
import { copyByDma, FIRST, SECOND } from './support/edu.js';
import type { Way } from './support/machine.js';
import { section, SectionMachine, type Section } from './support/sections.js';
import { KINDS, wayOf } from './support/workbench.js';

const HUGE_PAGES = '/proc/sys/vm/nr_hugepages';
const MiB = 1n << 20n;
/** The register of an edu device that shows the complement of what was written to it. */
const COMPLEMENT = 4n;

/** RAM of a PC, as the PAM registers divide it after the firmware has protected its copies: a part of a page of 2 MiB each. */
function pam(ram: Memfd): readonly Section[] {
  return (
    [
      [0x0n, 0xa_0000n, true],
      [0xc_0000n, 0xc_b000n, false],
      [0xc_b000n, 0xc_e000n, true],
      [0xc_e000n, 0x10_0000n, false],
      [0x10_0000n, 32n * MiB, true],
    ] as const
  ).map(([start, end, writable]) =>
    section(`ram ${start.toString(16)}`, start, end, ram, { fileOffset: start, writable }),
  );
}

/** All of the file above the rest: what the sections show, and where the host can write what is read-only in them. */
function whole(ram: Memfd, start: bigint): Section {
  return section('whole', start, start + ram.size, ram);
}

/** The BAR 0 of a device, below the addresses that an edu device can reach. */
function barOf(device: VfioDevice, index: number): Section {
  const start = 0xe00_0000n + BigInt(index) * MiB;
  return section(`bar ${index}`, start, start + MiB, device, { fileOffset: device.region(0).offset, type: 'device' });
}

async function withHugePages(work: () => Promise<void>): Promise<void> {
  writeFileSync(HUGE_PAGES, '16');
  try {
    expect(Number(readFileSync(HUGE_PAGES, 'utf8'))).to.equal(16);
    await work();
  } finally {
    writeFileSync(HUGE_PAGES, '0');
  }
}

for (const mapper of MAPPERS) {
  for (const kind of KINDS) {
    describe(`host memory of ${mapper.name}, ${kind === 'type1' ? kind : `iommufd by ${kind}`}`, () => {
      let way: Way;
      let machine: SectionMachine;

      beforeEach(() => {
        way = wayOf(kind);
        machine = new SectionMachine(mapper);
      });

      afterEach(async () => {
        await machine[Symbol.asyncDispose]();
        way.close();
      });

      if (mapper.name === 'RamBlocks') {
        it("maps a PC's RAM of huge pages in the sections of its PAM registers, and a device's DMA reaches all of them", async () => {
          await withHugePages(async () => {
            using ram = Memfd.create('pc.ram', 32n * MiB, { hugePages: '2M' });
            const device = way.openDevice();
            const attachment = await machine.attach(way.target);
            const areas = native().addressSpaceAreas();
            await machine.add([...pam(ram), whole(ram, 64n * MiB)]);
            expect(native().addressSpaceAreas() - areas, 'memory areas of the file').to.equal(1);
            expect(attachment.ledger()).to.have.length(7);
            await machine.checkDma(device, pam(ram), (_section, address) => address + 64n * MiB);
            await machine[Symbol.asyncDispose]();
          });
        }).timeout(120_000);
      } else {
        it("cannot map a PC's RAM of huge pages in the sections of its PAM registers: by address that is refused, with a hint, and undone", async () => {
          await withHugePages(async () => {
            using ram = Memfd.create('pc.ram', 32n * MiB, { hugePages: '2M' });
            await machine[Symbol.asyncDispose]();
            machine = new SectionMachine(mapper, 'on-demand');
            const device = way.openDevice();
            const attachment = await machine.attach(way.target);
            const adding = machine.add(pam(ram));
            if (kind === 'file') {
              await adding;
              await machine.write(device, 0xc_e000n - 2n, 'seam');
              await machine.expectRead(device, 0xc_e000n - 2n, 'se\0\0');
            } else {
              const error = await rejectionOf(adding);
              expect(error).to.be.instanceOf(DmaMapError).and.include({ code: 'EINVAL', region: 'ram 0' });
              expect(error['hint']).to.contain('RamBlocks');
              expect(attachment.ledger()).to.have.length(1);
            }
            await machine[Symbol.asyncDispose]();
          });
        });
      }

      it('shows one place of a file at several addresses: what is written by DMA at one is read at the others', async () => {
        using ram = Memfd.create('ram', 4n * MiB);
        const device = way.openDevice();
        await machine.attach(way.target);
        await machine.add([
          section('low', 0x10_0000n, 0x20_0000n, ram, { fileOffset: 0x10_0000n }),
          section('alias', 0x80_0000n, 0x80_2000n, ram, { fileOffset: 0x1f_e000n }),
          whole(ram, 0x100_0000n),
        ]);
        // The last bytes of `low`, across a page of `alias`.
        const [low, alias, high] = [0x1f_effcn, 0x80_0ffcn, 0x11f_effcn];
        for (const [number, address] of [low, alias, high].entries()) {
          const text = `alias ${number}`;
          await machine.write(device, address, text);
          for (const other of [low, alias, high]) {
            expect(machine.memory.read(other, text.length).toString()).to.equal(text);
            await machine.expectRead(device, other, text);
          }
        }
      }).timeout(60_000);

      it('lets no device write to a read-only section of a writable file, which it reads', async () => {
        using ram = Memfd.create('ram', 1n * MiB);
        const device = way.openDevice();
        const attachment = await machine.attach(way.target);
        const rom = section('rom', 0xe_0000n, 0x10_0000n, ram, { fileOffset: 0xe_0000n, writable: false });
        await machine.add([rom, whole(ram, 0x100_0000n)]);
        expect(attachment.ledger().find(({ range }) => range.equals(rom.range))?.writable).to.equal(false);
        await machine.checkDma(device, [rom], (_section, address) => address + 0x100_0000n);
        expect(
          dmaError(() => {
            machine.memory.write(rom.range.start, Buffer.from('x'));
          }).code,
        ).to.equal('EACCES');
        if (kind === 'file') {
          return;
        }
        // Nor can the IOMMU be told that its host address is writable.
        const hostVa = machine.memory.ensureMapped({
          ...rom,
          region: rom.name,
          backing: { mappable: ram, fileOffset: rom.fileOffset },
        });
        const batch = new DmaBatch();
        batch.mapVa(rom.range.shift(0x200_0000n), hostVa, true);
        (way.container ?? way.ioas)?.run(batch);
        expect(batch.errnoAt(0), 'EFAULT').to.equal(-14);
      }).timeout(60_000);

      it("keeps the BARs of two devices apart, though their files may have one inode; each shows its device's register", async () => {
        const devices = [way.openDevice(FIRST), way.openDevice(SECOND)];
        const inodes = new Set(devices.map(({ fd }) => fstatSync(fd).ino));
        if (kind === 'type1') {
          expect(inodes.size, 'opened by group').to.equal(1);
        }
        await machine.attach(way.target);
        const bars = devices.map(barOf);
        await machine.add(bars);
        for (const [index, { range }] of bars.entries()) {
          machine.memory.write(range.start + COMPLEMENT, Buffer.alloc(4, 0x10 + index));
        }
        for (const [index, { range }] of bars.entries()) {
          const complement = Buffer.alloc(4, 0xef - index);
          expect(machine.memory.read(range.start + COMPLEMENT, 4)).to.deep.equal(complement);
          expect(devices[index]?.readBar(0, COMPLEMENT, 4)).to.deep.equal(complement);
        }
      }).timeout(60_000);

      it('has all of this in one manager, private memory, too: DMA of two devices reaches what it should, and nothing else', async () => {
        const [first, second] = [way.openDevice(FIRST), way.openDevice(SECOND)];
        await machine.attach(way.target);
        using ram = Memfd.create('pc.ram', 32n * MiB);
        const bars = [first, second].map((device, index) => barOf(device, index));
        const byAddress = kind === 'file' ? [] : [section('private', 0x380_0000n, 0x380_3000n)];
        await machine.add([...pam(ram), whole(ram, 64n * MiB), ...bars, ...byAddress]);
        const toWhole = (_section: Section, address: bigint): bigint => address + 64n * MiB;
        await machine.checkDma(first, [...pam(ram), ...byAddress], toWhole);
        await machine.checkDma(second, [...pam(ram).slice(0, 2), ...byAddress], toWhole);
        for (const [index, { range }] of bars.entries()) {
          machine.memory.write(range.start + COMPLEMENT, Buffer.alloc(4, 0x20 + index));
        }
        for (const [index, { range }] of bars.entries()) {
          expect(machine.memory.read(range.start + COMPLEMENT, 4)).to.deep.equal(Buffer.alloc(4, 0xdf - index));
        }
        if (kind === 'type1') {
          // The IOMMU also maps the BARs, for DMA between the devices.
          await copyByDma(first, (bars[1]?.range.start ?? 0n) + COMPLEMENT, 0x1000n, 4);
          expect(machine.memory.read(0x1000n, 4)).to.deep.equal(Buffer.alloc(4, 0xde));
          expect(machine.warnings).to.deep.equal([]);
        }
      }).timeout(120_000);
    });
  }
}
