import { expect } from 'chai';
import { DumpError } from '../../sources/dump-error.js';
import { parseIomem } from '../../sources/iomem.js';

const TEXT = `00000000-00000fff : Reserved
00001000-0009fbff : System RAM
000a0000-000bffff : PCI Bus 0000:00
000c0000-000c99ff : Video ROM
00100000-3fffffff : System RAM
  01000000-01ffffff : Kernel code
  02000000-023fffff : Kernel data
40000000-febfffff : PCI Bus 0000:00
  fd000000-fdffffff : 0000:00:01.0
    fd000000-fd0fffff : bochs-drm
100000000-13fffffff : Persistent Memory
  110000000-11fffffff : System RAM (kmem)
`;

describe('the text of /proc/iomem', () => {
  it('becomes memory, whose parts belong to it, and the rest', () => {
    const sections = parseIomem(TEXT).map(
      ({ start, end, name, kind, offset }) =>
        `${start.toString(16)}-${end.toString(16)} ${kind} ${name} +${offset.toString(16)}`,
    );
    expect(sections).to.deep.equal([
      '0-1000 i/o Reserved +0',
      '1000-9fc00 ram System RAM +1000',
      'a0000-c0000 i/o PCI Bus 0000:00 +a0000',
      'c0000-c9a00 rom Video ROM +c0000',
      '100000-40000000 ram System RAM +100000',
      '40000000-fd000000 i/o PCI Bus 0000:00 +40000000',
      'fd000000-fd100000 i/o bochs-drm +fd000000',
      'fd100000-fe000000 i/o 0000:00:01.0 +fd100000',
      'fe000000-fec00000 i/o PCI Bus 0000:00 +fe000000',
      '100000000-110000000 nv-ram Persistent Memory +100000000',
      '110000000-120000000 ram System RAM (kmem) +110000000',
      '120000000-140000000 nv-ram Persistent Memory +120000000',
    ]);
  });

  it('that was read by another user than root is refused, with what to do', () => {
    const zeros = TEXT.replace(/[0-9a-f]{8,9}-[0-9a-f]{8,9}/g, '00000000-00000000');
    expect(() => parseIomem(zeros))
      .to.throw(DumpError, 'only zeros')
      .with.property('hint')
      .that.contains('root');
  });

  it('is refused where it is cut short or has another line', () => {
    expect(() => parseIomem(TEXT.slice(0, -1))).to.throw(DumpError, /line 12 .*cut short/);
    expect(() => parseIomem('')).to.throw(DumpError, 'cut short');
    expect(() => parseIomem(`${TEXT}nonsense\n`)).to.throw(DumpError, 'line 13');
    expect(() => parseIomem('00002000-00001000 : a\n')).to.throw(DumpError, 'line 1');
  });
});
