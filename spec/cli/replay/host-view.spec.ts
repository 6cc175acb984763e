import { expect } from 'chai';
import { readSync } from 'node:fs';
import { Memfd, RamBlocks } from '../../../binding/index.js';
import { VmmView } from '../../../cli/replay/host-view.js';
import type { MapChange } from '../../../streams/index.js';
import { ram } from '../../binding/support/changes.js';

describe('the memory of a replay, as its VMM sees it', () => {
  let memory: RamBlocks;
  let memfd: Memfd;
  let view: VmmView;

  beforeEach(() => {
    memory = new RamBlocks();
    memfd = Memfd.create('vmm', 0x10000n);
    view = new VmmView(memory);
  });

  afterEach(() => {
    memory.close();
    memfd.close();
  });

  it('is the file, in both directions; read-only memory is written through the file', () => {
    const writable = ram(0x4000, 0x8000, memfd, { fileOffset: 0x1000n });
    const rom = ram(0x8000, 0xc000, memfd, { fileOffset: 0x8000n, writable: false });
    memory.ensureMapped(writable);
    memory.ensureMapped(rom);
    for (const [mapping, address, offset] of [
      [writable, 0x4010n, 0x1010],
      [rom, 0x8010n, 0x8010],
    ] as const) {
      view.write(mapping, address, Buffer.from('bytes'));
      expect(view.read(mapping, address, 5).toString()).to.equal('bytes');
      const stored = Buffer.alloc(5);
      readSync(memfd.fd, stored, 0, 5, offset);
      expect(stored.toString()).to.equal('bytes');
    }
  });

  it('is not read where the host address is that of another place in the file', () => {
    const right: MapChange = ram(0x4000, 0x8000, memfd, { fileOffset: 0x1000n });
    memory.ensureMapped(ram(0x4000, 0x8000, memfd, { fileOffset: 0x2000n }));
    memory.write(0x4000n, Buffer.from('elsewhere'));
    expect(() => view.read(right, 0x4000n, 9)).to.throw('other bytes than the file has at its offset');
  });
});
