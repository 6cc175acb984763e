import { expect } from 'chai';
import { terminalOf } from '../../../cli/output/terminal.js';

describe('terminalOf', () => {
  const isColoured = (stream: { readonly isTTY?: boolean }, env: NodeJS.ProcessEnv): boolean =>
    terminalOf(stream, env).colours.isColorSupported;

  it('colours what a person looks at, unless NO_COLOR is set or the terminal is dumb', () => {
    expect(isColoured({ isTTY: true }, {})).to.equal(true);
    expect(isColoured({ isTTY: true }, { NO_COLOR: '1' })).to.equal(false);
    expect(isColoured({ isTTY: true }, { NO_COLOR: '' })).to.equal(true);
    expect(isColoured({ isTTY: true }, { TERM: 'dumb' })).to.equal(false);
    expect(isColoured({}, { CI: '1' })).to.equal(false);
    expect(isColoured({}, { FORCE_COLOR: '1' })).to.equal(true);
  });

  it('is as wide as the stream, or COLUMNS, or 80; never narrower than 40', () => {
    const widths = [
      terminalOf({ columns: 100 }, { COLUMNS: '90' }),
      terminalOf({}, { COLUMNS: '90' }),
      terminalOf({}, { COLUMNS: 'wide' }),
      terminalOf({}, {}),
      terminalOf({ columns: 10 }, {}),
      terminalOf({ columns: 0 }, {}),
    ].map(({ width }) => width);
    expect(widths).to.deep.equal([100, 90, 80, 80, 40, 80]);
  });

  it('limits lines to the width of a terminal, and to none where there is no terminal', () => {
    const limits = [
      terminalOf({ columns: 100 }, {}),
      terminalOf({ columns: 10 }, {}),
      terminalOf({}, { COLUMNS: '40' }),
    ];
    expect(limits.map(({ limit }) => limit)).to.deep.equal([100, 40, Infinity]);
  });

  it('shows more than ASCII, but for the C locale and the console', () => {
    const unicode = (env: NodeJS.ProcessEnv): boolean => terminalOf({}, env).unicode;
    expect([{}, { LANG: 'de_DE.UTF-8' }, { LC_ALL: 'C.UTF-8', LANG: 'C' }].map(unicode)).to.deep.equal([
      true,
      true,
      true,
    ]);
    expect([{ LANG: 'C' }, { LC_ALL: 'POSIX', LANG: 'de_DE.UTF-8' }, { TERM: 'linux' }].map(unicode)).to.deep.equal([
      false,
      false,
      false,
    ]);
  });
});
