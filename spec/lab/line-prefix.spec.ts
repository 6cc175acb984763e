import { expect } from 'chai';
import { LinePrefix } from '../../lab/line-prefix.js';

describe('the lines of guests that run side by side', () => {
  function written(use: (write: (name: 'a' | 'b', data: string | Buffer) => void) => void): string {
    let text = '';
    const output = { write: (data: string) => (text += data) };
    {
      using a = new LinePrefix('a  ', output);
      using b = new LinePrefix('b  ', output);
      use((name, data) => {
        (name === 'a' ? a : b).write(data);
      });
    }
    return text;
  }

  it('each begin with their prefix, and are written whole, also when they arrive in parts', () => {
    const text = written((write) => {
      write('a', 'one\ntw');
      write('b', 'three\n\nfour\n');
      write('a', 'o\n');
    });
    expect(text).to.equal('a  one\nb  three\nb  \nb  four\na  two\n');
  });

  it('keep a last line that has no end, and characters that were cut', () => {
    const mark = Buffer.from('✔ maps');
    const text = written((write) => {
      write('a', mark.subarray(0, 1));
      write('a', mark.subarray(1));
      write('b', 'last');
    });
    expect(text).to.equal('b  last\na  ✔ maps\n');
  });
});
