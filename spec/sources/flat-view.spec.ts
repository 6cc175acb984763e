import { expect } from 'chai';
import { DumpError } from '../../sources/dump-error.js';
import { parseFlatViews } from '../../sources/flat-view.js';
import { sectionsOfTrees } from '../../sources/flatten.js';
import { isMemory } from '../../sources/section-kind.js';
import type { Section } from '../../sources/section.js';
import { MACHINES, MOMENTS, recorded } from '../qemu/machines.js';
import { fromTranscript, type Recording } from '../qemu/recording.js';
import { flatViewText, sectionLine } from './support/fake-qmp.js';
import { memoryIn, recordedBy11 } from './support/texts.js';

const ALL: readonly (readonly [title: string, recording: Recording])[] = [
  ...MACHINES.flatMap(({ name }) =>
    MOMENTS.map((moment) => [`QEMU 7.2, ${name} ${moment} firmware`, recorded(name, moment)] as const),
  ),
  ...MOMENTS.map(
    (moment) => [`QEMU 11.1, q35 ${moment} firmware`, fromTranscript(recordedBy11(`q35-${moment}`))] as const,
  ),
];

/** Neighbours of one memory region joined, without what `info mtree` does not tell: whether memory is read-only. */
function layoutOf(sections: readonly Section[]): string[] {
  const parts: { start: bigint; end: bigint; name: string; offset: bigint }[] = [];
  for (const { start, end, name, kind, offset } of sections) {
    const last = parts.at(-1);
    if (!isMemory(kind)) {
      continue;
    }
    if (last?.end === start && last.name === name && last.offset + last.end - last.start === offset) {
      last.end = end;
    } else {
      parts.push({ start, end, name, offset });
    }
  }
  return parts.map(
    ({ start, end, name, offset }) => `${start.toString(16)}-${end.toString(16)} ${name}+${offset.toString(16)}`,
  );
}

describe('the text of info mtree -f', () => {
  it('becomes sections with exclusive ends, kinds and offsets', () => {
    const text = flatViewText([
      sectionLine(0, 0x9ffff, 'pc.ram'),
      sectionLine(0xc0000, 0xdffff, 'pc.rom', 'rom'),
      sectionLine(0x100000, 0x7fffffff, 'pc.ram', 'nv-ram', 0x100000),
      '  fffffffffffff000-ffffffffffffffff (prio -1, i/o): top KVM\r\n',
    ]);
    expect(memoryIn(text)).to.deep.equal([
      { start: 0n, end: 0xa0000n, name: 'pc.ram', kind: 'ram', offset: 0n },
      { start: 0xc0000n, end: 0xe0000n, name: 'pc.rom', kind: 'rom', offset: 0n },
      { start: 0x100000n, end: 0x80000000n, name: 'pc.ram', kind: 'nv-ram', offset: 0x100000n },
      { start: 0xfffffffffffff000n, end: 1n << 64n, name: 'top', kind: 'i/o', offset: 0n },
    ]);
  });

  it('of QEMU 11.1 is understood with owners (-o) and with dispatch tables (-d), and is the same', () => {
    const plain = memoryIn(recordedBy11('flat-plain'));
    expect(plain.map(({ name }) => name)).to.include.members(['pc.ram', 'system.flash0', 'm0']);
    expect(memoryIn(recordedBy11('flat-owner'))).to.deep.equal(plain);
    expect(memoryIn(recordedBy11('flat-dispatch'))).to.deep.equal(plain);
  });

  for (const [title, recording] of ALL) {
    it(`${title}: has the memory that its region trees have`, () => {
      const flat = memoryIn(recording.flat);
      expect(layoutOf(flat)).to.have.length.greaterThan(3);
      expect(layoutOf(sectionsOfTrees(recording.tree, 'memory'))).to.deep.equal(layoutOf(flat));
    });
  }

  it('that was cut short anywhere never becomes another memory map', () => {
    for (const text of [
      recordedBy11('flat-plain'),
      flatViewText([sectionLine(0, 0x9ffff, 'ram'), sectionLine(0xc0000, 0xdffff, 'rom')]),
    ]) {
      const whole = memoryIn(text);
      let refused = 0;
      for (let length = 0; length < text.length; length++) {
        try {
          expect(memoryIn(text.slice(0, length)), `${length} characters`).to.deep.equal(whole);
        } catch (error) {
          expect(error, `${length} characters`).to.be.instanceOf(DumpError);
          refused++;
        }
      }
      expect(refused).to.be.greaterThan(100);
    }
  });

  it('that was cut short says at which line, and what to do', () => {
    const text = flatViewText([sectionLine(0, 0x9ffff, 'ram')]).replace(/\r\n\r\n$/, '\r\n');
    expect(() => parseFlatViews(text))
      .to.throw(DumpError, /^line 4 of 'info mtree -f' is the last one, and more has to follow: the dump is cut short$/)
      .with.property('hint', 'dump it again, whole; if only the empty line at its end is missing, add it');
  });

  it('whose sections overlap or go back is refused', () => {
    const lines = [sectionLine(0x1000, 0x1fff, 'a'), sectionLine(0x1800, 0x2fff, 'b')];
    expect(() => memoryIn(flatViewText(lines))).to.throw(DumpError, 'line 5');
    expect(() => memoryIn(flatViewText(lines.toReversed()))).to.throw(DumpError, 'line 5');
    expect(() => memoryIn(flatViewText([sectionLine(0x1000, 0xffe, 'a')]))).to.throw(DumpError, 'line 4');
  });

  const HOSTILE = [
    'a "quoted" name',
    'colon: (prio 0, ram): name',
    ') paren (',
    '\u001b[31mred\u001b[0m',
    'two\nlines',
    'return\rcarriage',
    '',
    ' KVM-less ',
    'x @12',
    '../../etc/passwd',
    'FlatView #1',
  ];
  for (const name of HOSTILE) {
    it(`takes ${JSON.stringify(name)} for the name of a region`, () => {
      const lines = [sectionLine(0, 0xfff, name), sectionLine(0x1000, 0x1fff, name, 'ram', 0x4000)];
      expect(memoryIn(flatViewText(lines)).map((section) => [section.name, section.offset])).to.deep.equal([
        [name, 0n],
        [name, 0x4000n],
      ]);
    });
  }

  it('lists the address spaces that there are when there is none of the name', () => {
    const text = flatViewText([sectionLine(0, 0xfff, 'ram')], 'cpu "0"');
    expect(() => memoryIn(text))
      .to.throw(DumpError, /has no address space "memory"/)
      .with.property('hint', 'it has "cpu \\"0\\""');
  });
});

describe('the text of info mtree', () => {
  const tree = (...lines: readonly string[]): string => `address-space: memory\n${lines.join('\n')}\n\n`;
  const node = (indent: number, start: number, last: number, rest: string): string =>
    `${' '.repeat(indent)}${sectionLine(start, last, '').trim().replace(/ \(.*/, '')} (prio 0, ${rest}`;

  it('without -D: what was in a disabled region, which is left out, is not taken for the contents of the one before', () => {
    const text = tree(
      node(2, 0, 0xffffffff, 'i/o): system'),
      node(4, 0, 0x9fff, 'ram): ram'),
      // In a region that is disabled.
      node(6, 0xc000, 0xcfff, 'rom): hidden'),
    );
    expect(sectionsOfTrees(text, 'memory').map(({ name }) => name)).to.deep.equal(['ram']);
  });

  it('whose aliases contain one another, or multiply, is refused', () => {
    const alias = (name: string): string =>
      node(2, 0, 0xffff, `i/o): alias x @${name} 0000000000000000-000000000000ffff`);
    const circle = `${tree(alias('a'))}memory-region: a\n${alias('a')}\n\n`;
    expect(() => sectionsOfTrees(circle, 'memory')).to.throw(DumpError, 'aliases that contain one another');
    const twice = Array.from({ length: 30 }, (_, index) => {
      const inner = alias(`m${index + 1}`).replace(/^ {2}/, '    ');
      return `memory-region: m${index}\n${node(2, 0, 0xffff, `i/o): m${index}`)}\n${inner}\n${inner}\n\n`;
    });
    const leaf = `memory-region: m30\n${node(2, 0, 0xffff, 'ram): m30')}\n\n`;
    expect(() => sectionsOfTrees(`${tree(alias('m0'))}${twice.join('')}${leaf}`, 'memory')).to.throw(
      DumpError,
      'too many',
    );
    expect(() => sectionsOfTrees(tree(alias('nobody')), 'memory')).to.throw(DumpError, 'no region');
  });
});
