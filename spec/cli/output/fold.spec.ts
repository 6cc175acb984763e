import { execFileSync } from 'node:child_process';
import { expect } from 'chai';
import { fold, foldCommand } from '../../../cli/output/fold.js';
import { displayWidth } from '../../../cli/output/text.js';

describe('fold', () => {
  it('leaves a line that fits, and every line where there is no limit', () => {
    expect(fold('  one  two', 10)).to.deep.equal(['  one  two']);
    expect(fold('one two', Infinity)).to.deep.equal(['one two']);
  });

  it('breaks at spaces, two columns further in than the line or as far as it is told', () => {
    expect(fold('  one two three', 11)).to.deep.equal(['  one two', '    three']);
    expect(fold('one  two three', 8, 5)).to.deep.equal(['one  two', '   three']);
    expect(fold('  it took 3.1 s', 12)).to.deep.equal(['  it took', '    3.1 s']);
  });

  it('indents less where a word needs the room', () => {
    const range = '0xfffffffffff00000-0x10000000000000000';
    expect(fold(`      + ${range}  1 MiB`, 40)).to.deep.equal(['      +', `  ${range}`, '        1 MiB']);
    expect(fold(`      ${range}`, 40)).to.deep.equal([`  ${range}`]);
  });

  it('breaks a word that is longer than a line, and keeps the addresses in it', () => {
    expect(fold('to soft:iommufd,aperture=0x0-0x8000000000,entries=100', 30)).to.deep.equal([
      'to soft:iommufd,aperture=',
      '  0x0-0x8000000000,entries=100',
    ]);
    expect(fold(`see ${'x'.repeat(25)}`, 12)).to.deep.equal([
      'see',
      `  ${'x'.repeat(10)}`,
      `  ${'x'.repeat(10)}`,
      '  xxxxx',
    ]);
    expect(fold('内存内存内存', 5)).to.deep.equal(['内存', '  内', '  存', '  内', '  存']);
  });

  it('counts no column for colours, and loses none of them', () => {
    const line = '\u001b[31m  one \u001b[1mtwo\u001b[22m three\u001b[39m';
    expect(fold(line, 15)).to.deep.equal([line]);
    const lines = fold(line, 10);
    expect(lines).to.have.length(2);
    expect(lines.join('').match(/\u001b\[\d+m/g)).to.deep.equal(line.match(/\u001b\[\d+m/g));
  });
});

describe('foldCommand', () => {
  const commands = [
    "echo 'options vfio_iommu_type1 allow_unsafe_interrupts=1' /etc/modprobe.d/vfio_iommu_type1-unsafe-interrupts.conf",
    `sed -i 's/^GRUB_CMDLINE_LINUX="/&intel_iommu=on /' /etc/default/grub`,
    'qemu-system-x86_64 -M q35,kernel-irqchip=split -device intel-iommu,intremap=on',
    `printf "a 'quoted' word of more than forty columns, with \\"both\\" kinds" 'of "quotes" in it, which is long as well'`,
    `echo it\\'s one\\ word\\ that\\ is\\ longer\\ than\\ a\\ line\\ of\\ forty\\ columns`,
  ];

  it('gives a shell the same words at every width', () => {
    const wordsOf = (command: string): string =>
      execFileSync('/bin/sh', ['-c', `set -- ${command}\nfor word in "$@"; do printf '<%s>' "$word"; done`]).toString();
    for (const command of commands) {
      for (const width of [24, 31, 40, 41, 60, 80]) {
        const lines = foldCommand('      # ', command, width);
        expect(lines.map(displayWidth).filter((used) => used > width)).to.deep.equal([]);
        expect(lines[0]?.slice(0, 8)).to.equal('      # ');
        expect(wordsOf([lines[0]?.slice(8), ...lines.slice(1)].join('\n')), lines.join('\n')).to.equal(
          wordsOf(command),
        );
      }
    }
  });

  it('leaves a command that fits', () => {
    expect(foldCommand('$ ', 'true', 6)).to.deep.equal(['$ true']);
    expect(foldCommand('$ ', 'x'.repeat(200), Infinity)).to.deep.equal([`$ ${'x'.repeat(200)}`]);
  });
});
