import { expect } from 'chai';
import { SuiteProgress } from '../../lab/suite-progress.js';

describe('the progress of a suite in the guest', () => {
  function shown(isTTY: boolean, use: (progress: SuiteProgress, wait: (seconds: number) => void) => void): string {
    let text = '';
    let milliseconds = 5000;
    using progress = new SuiteProgress(
      'Linux 6.12',
      { isTTY, write: (data) => (text += data.toString()) },
      () => milliseconds,
    );
    use(progress, (seconds) => {
      milliseconds += seconds * 1000;
      progress.show();
    });
    progress[Symbol.dispose]();
    return text;
  }

  it('is a line of its own in a file, with the number of specs that have ended, whatever their end', () => {
    const text = shown(false, (progress, wait) => {
      wait(30);
      progress.write(Buffer.from('  type1\n    \x1b[32m✔\x1b[0m maps (3ms)\n    1) unmaps\n    - is skipped\n'));
      wait(31);
    });
    expect(text.split('\n')).to.deep.equal([
      'Linux 6.12: the guest is starting, 0 s',
      'Linux 6.12: the guest is starting, 30 s',
      '  type1',
      '    \x1b[32m✔\x1b[0m maps (3ms)',
      '    1) unmaps',
      '    - is skipped',
      'Linux 6.12: 3 specs have ended, 61 s',
      '',
    ]);
  });

  it('does not stand in the middle of a line', () => {
    const text = shown(false, (progress, wait) => {
      progress.write(Buffer.from('    ✔ a part'));
      wait(30);
      progress.write(Buffer.from(' and the rest\n'));
    });
    expect(text).to.contain('    ✔ a part and the rest\n');
  });

  it('is erased on a terminal before anything else is written, and at the end', () => {
    const text = shown(true, (progress, wait) => {
      progress.write(Buffer.from('  type1\n'));
      wait(1);
    });
    expect(text).to.equal(
      'Linux 6.12: the guest is starting, 0 s\r\x1b[2K  type1\nLinux 6.12: the guest is starting, 1 s\r\x1b[2K',
    );
  });
});
