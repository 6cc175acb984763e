import { expect } from 'chai';
import { TerminalScreen, type Terminal } from '../../../cli/watch/terminal-screen.js';

describe('the screen of watch', () => {
  function screenOn(written: string[], size: { readonly columns: number; readonly rows: number }): TerminalScreen {
    const out = { ...size, fd: -1, write: (text: string) => written.push(text) };
    return new TerminalScreen(out as unknown as Terminal, undefined);
  }

  it('writes only the lines that differ, all of a frame at once, and nothing when it has been left', () => {
    const written: string[] = [];
    using screen = screenOn(written, { columns: 80, rows: 24 });
    screen.draw(['before it is entered']);
    expect(written).to.deep.equal([]);
    screen.enter();
    screen.draw(['one', 'two', 'three']);
    written.length = 0;
    screen.draw(['one', '2', 'three']);
    expect(written).to.have.length(1);
    expect(written[0]).to.contain('\u001b[2;1H\u001b[2K2').and.not.contain('one').and.not.contain('three');
    screen.draw(['one', '2', 'three']);
    expect(written).to.have.length(1);
    screen.draw(['one']);
    expect(written[1]).to.contain('\u001b[2;1H\u001b[2K\u001b').and.contain('\u001b[3;1H\u001b[2K\u001b');
    screen.clear();
    screen.draw(['one']);
    expect(written.at(-1)).to.contain('one');
    screen.leave();
    written.length = 0;
    screen.draw(['two']);
    expect(written).to.deep.equal([]);
  });

  it('leaves no listener behind', () => {
    const counts = (): number => process.listenerCount('exit');
    const before = counts();
    {
      using screen = screenOn([], { columns: 80, rows: 24 });
      screen.enter();
      expect(counts()).to.equal(before + 1);
    }
    expect(counts()).to.equal(before);
  });

  it('has a size where the terminal does not know its own', () => {
    expect(screenOn([], { columns: 0, rows: 0 }).size).to.deep.equal({ columns: 80, rows: 24 });
  });
});
