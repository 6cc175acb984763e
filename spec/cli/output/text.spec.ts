import { expect } from 'chai';
import {
  counted,
  displayWidth,
  fit,
  formatDuration,
  formatSize,
  printable,
  truncate,
  wrap,
} from '../../../cli/output/text.js';

describe('text for a terminal', () => {
  it('counts columns, not characters', () => {
    expect(['ram0', 'é', 'e\u0301', '内存', '🙂'].map(displayWidth)).to.deep.equal([4, 1, 1, 4, 2]);
    expect(['✅', '⌚', '⬛', '🀄', '🇨🇭', '✓', '●'].map(displayWidth)).to.deep.equal([2, 2, 2, 2, 2, 1, 1]);
  });

  it('cuts and fills to a width', () => {
    expect(truncate('pc.dimm0', 5)).to.equal('pc.d…');
    expect(fit('ab', 5)).to.equal('ab   ');
    expect(fit('ab', 5, 'right')).to.equal('   ab');
    expect(fit('ab', 5, 'centre')).to.equal(' ab  ');
    expect(fit('内存内存', 5)).to.equal('内存…');
    expect(fit('内存内存', 4)).to.equal('内… ');
    expect([1, 0, -3].map((width) => fit('ab', width))).to.deep.equal(['…', '', '']);
  });

  it('wraps at spaces', () => {
    expect(wrap('one two three', 7)).to.deep.equal(['one two', 'three']);
    expect(wrap('it took 3.1 s', 11)).to.deep.equal(['it took', '3.1 s']);
    expect(wrap('unbreakable word', 4)).to.deep.equal(['unbreakable', 'word']);
  });

  it('lets no control character through', () => {
    expect(printable('a\u001b[1m\nb\u200e\u2028')).to.equal('a?[1m?b??');
    expect(printable('Ærø 内存')).to.equal('Ærø 内存');
  });

  it('writes sizes with three digits, or whole', () => {
    const sizes = [0n, 4096n, 0xa0000n, 0x7ff00000n, 1n << 31n, 0x1fc0000n, 1000n << 20n, 1n << 63n];
    expect(sizes.map(formatSize)).to.deep.equal([
      '0 B',
      '4 KiB',
      '640 KiB',
      '2.00 GiB',
      '2 GiB',
      '31.8 MiB',
      '1000 MiB',
      '8 EiB',
    ]);
  });

  it('writes times in the unit that fits', () => {
    expect([0, 97, 999.4, 999.6, 10213, 99_600, 119_600, 7_200_000].map(formatDuration)).to.deep.equal([
      '0 ms',
      '97 ms',
      '999 ms',
      '1.0 s',
      '10.2 s',
      '100 s',
      '2 min 0 s',
      '120 min 0 s',
    ]);
  });

  it('counts things', () => {
    expect([counted(0, 'map'), counted(1, 'map'), counted(12_345, 'map')]).to.deep.equal([
      '0 maps',
      '1 map',
      '12,345 maps',
    ]);
  });
});
