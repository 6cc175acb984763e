import { expect } from 'chai';
import { drawAddressSpace } from '../../../cli/output/picture.js';
import { layOut } from '../../../cli/output/segments.js';
import { terminalOf } from '../../../cli/output/terminal.js';
import { MemoryRange, type MapChange } from '../../../streams/index.js';

const KIB = 1024;
const MIB = KIB * KIB;
const GIB = KIB * MIB;

const RAM = mapping(0, 640 * KIB, 'ram0');
const ROM = mapping(768 * KIB, 1 * MIB, 'bios', { writable: false });
const BAR = mapping(3 * GIB, 3 * GIB + 16 * MIB, 'bar', { type: 'device' });
const HIGH = mapping(4 * GIB, 8 * GIB, 'hot0');

describe('the picture of an address space', () => {
  const terminal = terminalOf({ columns: 80 }, {});

  it('draws mappings and holes to a logarithmic scale, and who holds what', () => {
    const all = [RAM, ROM, BAR, HIGH];
    const holders = [holder('log', all), holder('soft', [RAM, ROM, HIGH])];
    expect(drawAddressSpace(all, holders, terminal)).to.deep.equal([
      '                                                     log  soft',
      '          0x0  ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇  ram0   640 KiB  rw   ●    ●',
      '      0xa0000  ················  hole   128 KiB',
      '      0xc0000  ░░░░░░░░░░░░░░░░  bios   256 KiB  r    ●    ●',
      '     0x100000  ················  hole  3.00 GiB',
      '               ················',
      '   0xc0000000  ▚▚▚▚▚▚▚▚▚▚▚▚▚▚▚▚  bar     16 MiB  rw   ●    ·',
      '               ▚▚▚▚▚▚▚▚▚▚▚▚▚▚▚▚',
      '   0xc1000000  ················  hole  1008 MiB',
      '               ················',
      '  0x100000000  ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇  hot0     4 GiB  rw   ●    ●',
      '               ████████████████',
      '               ████████████████',
      '               ████████████████',
      '  0x200000000  end',
      '',
      '  ██ RAM   ·· unmapped   ░░ read-only   ▚▚ device   height: log of the size',
    ]);
  });

  it('numbers the targets where their names are too wide', () => {
    const holders = ['log', 'soft', 'soft:iommufd', 'soft:exact'].map((name) => holder(name, [RAM]));
    const lines = drawAddressSpace([RAM], holders, terminalOf({ columns: 60 }, {}));
    expect(lines[0]?.trim()).to.equal('1  2  3  4');
    expect(lines.at(-1)).to.equal('  1 log   2 soft   3 soft:iommufd   4 soft:exact');
  });

  it('has the address and the targets over the block where a terminal is narrow', () => {
    const all = [RAM, ROM, HIGH];
    const holders = [holder('log', all), holder('soft:iommufd', [RAM, HIGH])];
    expect(drawAddressSpace(all, holders, terminalOf({ columns: 40 }, {}))).to.deep.equal([
      '  0x0          1  2',
      '  ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇  ram0   640 KiB  rw',
      '  0xa0000',
      '  ················  hole   128 KiB',
      '  0xc0000      1  ·',
      '  ░░░░░░░░░░░░░░░░  bios   256 KiB  r',
      '  0x100000',
      '  ················  hole  4.00 GiB',
      '  ················',
      '  0x100000000  1  2',
      '  ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇  hot0     4 GiB  rw',
      '  ████████████████',
      '  ████████████████',
      '  ████████████████',
      '  0x200000000  end',
      '',
      '  ██ RAM   ·· unmapped   ░░ read-only',
      '  height: log of the size',
      '  1 log   2 soft:iommufd',
    ]);
  });

  it('stays in ASCII where a terminal has no more', () => {
    const lines = drawAddressSpace([RAM, ROM, HIGH], [holder('log', [RAM])], terminalOf({}, { LC_ALL: 'C' }));
    expect(lines.join('\n')).to.match(/^[\n\x20-\x7e]*$/);
  });

  describe('where sections overlap', () => {
    const layers = {
      covered: [covers(640 * KIB, 768 * KIB, 'ram0'), covers(768 * KIB, 1 * MIB, 'ram0')],
      windows: [covers(640 * KIB, 768 * KIB, 'vga'), covers(2 * GIB, 4 * GIB, 'pci')],
    };

    it('draws what is covered below what covers it, and names windows', () => {
      const all = [RAM, ROM, BAR];
      expect(drawAddressSpace(all, [holder('log', all)], terminal, layers)).to.deep.equal([
        '                                                    log',
        '         0x0  ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇  ram0   640 KiB  rw   ●',
        '     0xa0000  ················  vga    128 KiB',
        '              ╱╱╱╱╱╱╱╱╱╱╱╱╱╱╱╱  ram0   128 KiB',
        '     0xc0000  ░░░░░░░░░░░░░░░░  bios   256 KiB  r    ●',
        '              ╱╱╱╱╱╱╱╱╱╱╱╱╱╱╱╱  ram0   256 KiB',
        '    0x100000  ················  hole  2.00 GiB',
        '              ················',
        '  0x80000000  ················  pci      1 GiB',
        '              ················',
        '  0xc0000000  ▚▚▚▚▚▚▚▚▚▚▚▚▚▚▚▚  bar     16 MiB  rw   ●',
        '              ▚▚▚▚▚▚▚▚▚▚▚▚▚▚▚▚',
        '  0xc1000000  end',
        '',
        '  ██ RAM   ·· unmapped   ░░ read-only   ▚▚ device',
        '  ╱╱ covered by what is drawn above it   height: log of the size',
      ]);
    });

    it('needs neither colour nor more than ASCII, and fits into 40 columns', () => {
      const all = [RAM, ROM, BAR];
      const lines = drawAddressSpace(all, [holder('log', all)], terminalOf({ columns: 40 }, { LC_ALL: 'C' }), layers);
      expect(lines.join('\n')).to.match(/^[\n\x20-\x7e]*$/);
      expect(Math.max(...lines.map(({ length }) => length))).to.be.at.most(40);
      expect(lines.join('\n')).to.match(/\.\. {2}vga +128 KiB\n +\/+ {2}ram0 +128 KiB\n/);
      expect(lines.join('\n')).to.match(/\n {2}\/\/ covered by what is drawn above it\n/);
    });

    it('draws what is covered above the last mapping, and where nothing is mapped', () => {
      const high = { covered: [covers(2 * GIB, 3 * GIB, 'ram1')], windows: [covers(2 * GIB, 4 * GIB, 'pci')] };
      for (const all of [[RAM], []]) {
        const lines = drawAddressSpace(all, [], terminal, high);
        expect(lines.join('\n')).to.match(
          /0x80000000 {2}·+ {2}pci +1 GiB\n +·+\n +╱+ {2}ram1 +1 GiB\n {2}0xc0000000 {2}end/,
        );
      }
    });

    it('counts what is covered by one mapping beyond the uppermost three', () => {
      const layer = (index: number): ReturnType<typeof covers> => covers(0, 4 * KIB, `layer ${index}`);
      const draw = (count: number): string =>
        drawAddressSpace([RAM], [], terminal, {
          covered: Array.from({ length: count }, (_, at) => layer(at)),
          windows: [],
        }).join('\n');
      expect(draw(4)).to.match(/layer 0 .*\n.*layer 1 .*\n.*layer 2 .*\n.*layer 3 /);
      expect(draw(9)).to.match(/layer 2 +4 KiB\n +╱+ {2}6 more +24 KiB\n/);
    });

    it('draws the largest of many windows', () => {
      const windows = Array.from({ length: 10_000 }, (_, at) =>
        covers(MIB + at * 4 * KIB, MIB + (at + 1) * 4 * KIB, 'w'),
      );
      const lines = drawAddressSpace([RAM, HIGH], [], terminal, {
        covered: [],
        windows: [...windows, covers(GIB, 2 * GIB, 'pci')],
      });
      expect(lines.length).to.be.below(24);
      expect(lines.join('\n')).to.match(/0x40000000 {2}·+ {2}pci +1 GiB\n/);
    });
  });

  it('says so when nothing is mapped', () => {
    expect(drawAddressSpace([], [holder('log', [])], terminal)).to.deep.equal(['  nothing is mapped']);
  });

  it('draws the largest of many mappings and holes, and counts what is between them', () => {
    const page = (start: number): MapChange => mapping(start, start + 4 * KIB, 'small');
    const low = Array.from({ length: 10_000 }, (_, index) => page(index * 8 * KIB));
    const high = Array.from({ length: 100 }, (_, index) => page(GIB + index * 8 * KIB));
    const all = [...low, ...high, BAR, HIGH];
    const holders = [holder('log', all), holder('soft', [...high, BAR, HIGH])];
    expect(drawAddressSpace(all, holders, terminal)).to.deep.equal([
      '                                                                log  soft',
      '          0x0  ≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈  10,000 mappings  39.1 MiB       ●    ·',
      '    0x4e1f000  ················  hole              946 MiB',
      '               ················',
      '   0x40000000  ≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈  100 mappings      400 KiB       ●    ●',
      '   0x400c7000  ················  hole             2.00 GiB',
      '               ················',
      '   0xc0000000  ▚▚▚▚▚▚▚▚▚▚▚▚▚▚▚▚  bar                16 MiB  rw   ●    ●',
      '               ▚▚▚▚▚▚▚▚▚▚▚▚▚▚▚▚',
      '   0xc1000000  ················  hole             1008 MiB',
      '               ················',
      '  0x100000000  ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇  hot0                4 GiB  rw   ●    ●',
      '               ████████████████',
      '               ████████████████',
      '               ████████████████',
      '  0x200000000  end',
      '',
      '  ≈≈ several, with small holes   ·· unmapped   ▚▚ device   ██ RAM',
      '  height: log of the size',
    ]);
  });

  it('draws a small mapping that stands alone between two holes, or two large ones, as what it is', () => {
    const page = (start: number): MapChange => mapping(start, start + 4 * KIB, 'synic');
    const low = Array.from({ length: 31 }, (_, index) => page(MIB + index * 12 * KIB));
    const bar = mapping(3 * GIB, 3 * GIB + 4 * KIB, 'USB BAR 0', { type: 'device' });
    const rom = mapping(4 * GIB, 4 * GIB + 4 * KIB, 'option', { writable: false });
    const all = [RAM, ...low, bar, rom, mapping(4 * GIB + 4 * KIB, 8 * GIB, 'hot0')];
    expect(drawAddressSpace(all, [holder('log', [RAM, bar])], terminal)).to.deep.equal([
      '                                                            log',
      '          0x0  ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇  ram0          640 KiB  rw   ●',
      '      0xa0000  ················  hole          384 KiB',
      '     0x100000  ≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈  31 mappings   124 KiB       ·',
      '     0x15b000  ················  hole         3.00 GiB',
      '               ················',
      '   0xc0000000  ▚▚▚▚▚▚▚▚▚▚▚▚▚▚▚▚  USB BAR 0       4 KiB  rw   ●',
      '   0xc0001000  ················  hole         1024 MiB',
      '               ················',
      '  0x100000000  ░░░░░░░░░░░░░░░░  option          4 KiB  r    ·',
      '  0x100001000  ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇  hot0         4.00 GiB  rw   ·',
      '               ████████████████',
      '               ████████████████',
      '               ████████████████',
      '  0x200000000  end',
      '',
      '  ██ RAM   ·· unmapped   ≈≈ several, with small holes   ▚▚ device   ░░ read-only',
      '  height: log of the size',
    ]);
  });
});

describe('layOut', () => {
  it('covers everything from 0 to the last mapping, once, in ascending order', () => {
    for (const count of [0, 1, 2, 31, 32, 33, 100]) {
      const mappings = Array.from({ length: count }, (_, index) => {
        const start = index * 64 * KIB + 4 * KIB * (index % 3);
        return mapping(start, start + 4 * KIB * (1 + ((index * 7) % 13)), 'm');
      });
      let end = 0n;
      let shown = 0;
      for (const segment of layOut(mappings, [])) {
        expect(segment.range.start).to.equal(end);
        ({ end } = segment.range);
        if (segment.kind === 'folded') {
          expect(segment.mappings).to.be.greaterThan(1);
        }
        shown += segment.kind === 'folded' ? segment.mappings : segment.kind === 'mapping' ? 1 : 0;
      }
      expect(shown).to.equal(count);
      expect(end).to.equal(mappings.at(-1)?.range.end ?? 0n);
    }
  });
});

function mapping(start: number, end: number, region: string, changes: Partial<MapChange> = {}): MapChange {
  const backing = { mappable: { fd: 0, label: region }, fileOffset: 0n };
  return { range: MemoryRange.of(start, end), region, type: 'ram', writable: true, backing, ...changes };
}

function covers(start: number, end: number, name: string): { readonly range: MemoryRange; readonly name: string } {
  return { range: MemoryRange.of(start, end), name };
}

function holder(name: string, mappings: readonly MapChange[]): Parameters<typeof drawAddressSpace>[1][number] {
  return { name, held: mappings.map(({ range, region, writable }) => ({ range, region, writable, stuck: false })) };
}
