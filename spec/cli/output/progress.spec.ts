import { PassThrough } from 'node:stream';
import type { WriteStream } from 'node:tty';
import { expect } from 'chai';
import { progressBar } from '../../../cli/output/progress.js';

/** A terminal that remembers what was written to it. */
function fakeTerminal(isTTY: boolean, columns = 80): { readonly stream: WriteStream; readonly text: () => string } {
  const written = new PassThrough();
  const stream = Object.assign(written, { isTTY, columns, rows: 24 }) as unknown as WriteStream;
  return { stream, text: () => String(written.read() ?? '') };
}

describe('progressBar', () => {
  it('shows nothing where nobody looks', () => {
    const { stream, text } = fakeTerminal(false);
    const bar = progressBar(3, stream);
    bar.advance(1);
    bar.clear();
    bar.stop();
    expect(text()).to.equal('');
  });

  it('has a shorter bar on a narrow terminal, and what it says whole', () => {
    const { stream, text } = fakeTerminal(true, 40);
    const bar = progressBar(12_345, stream);
    bar.advance(12_344);
    bar.stop();
    const drawn = /[█░]* commit 12344 of 12345, \d+s/.exec(text())?.[0] ?? '';
    expect(drawn.length).to.be.within(32, 40);
  });

  it('shows how far it is, makes room, and leaves the line empty in the end', () => {
    const { stream, text } = fakeTerminal(true);
    const bar = progressBar(8, stream);
    expect(text()).to.contain('commit 0 of 8');
    bar.clear();
    expect(text()).to.match(/\u001b\[1G\u001b\[2K$/);
    bar.advance(5);
    bar.stop();
    const last = text();
    expect(last).to.contain('commit 5 of 8');
    // Where the cursor is saved last is where it ends: below the lines that were written meanwhile.
    expect(last.lastIndexOf('\u001b7')).to.be.greaterThan(-1);
    expect(last).to.match(/\u001b8\u001b\[1G\u001b\[[02]K$/);
  });
});
