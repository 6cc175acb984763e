import { expect } from 'chai';
import { drawWatch } from '../../../cli/watch/draw.js';
import { FIRST_VIEW, KEYS, matching, press, type Key, type View } from '../../../cli/watch/view.js';
import type { MapRow } from '../../../cli/watch/watch-state.js';
import { manyRows, PLAIN, rowOf, stateOf } from './support.js';

const NAMED: Readonly<Record<string, string>> = {
  '\u001b': 'escape',
  '\r': 'return',
  '\u007f': 'backspace',
  ' ': 'space',
};

function keyOf(text: string): Key {
  if (text.startsWith('ctrl-')) {
    return { name: text.slice(5), ctrl: true, sequence: '\u0001' };
  }
  if (text.length > 1) {
    return { name: text, sequence: `\u001b[${text}` };
  }
  return { name: NAMED[text] ?? (/[a-z0-9]/i.test(text) ? text.toLowerCase() : undefined), sequence: text };
}

/** Presses keys one after the other, on a screen that is drawn after each. */
function after(keys: readonly string[], rows: readonly MapRow[] = manyRows(100), from: View = FIRST_VIEW): View {
  return keys.reduce(
    (view, key) => press(view, keyOf(key), drawWatch(stateOf({ rows }), view, PLAIN).shown).view,
    from,
  );
}

function firstRow(view: View, rows: readonly MapRow[] = manyRows(100)): number {
  return drawWatch(stateOf({ rows }), view, PLAIN).shown.first;
}

describe('the keys of watch', () => {
  it('scroll by lines and pages, and stop at both ends', () => {
    for (const [keys, first] of [
      [['down', 'j', 'down'], 3],
      [['down', 'down', 'k'], 1],
      [['up'], 0],
      [['pagedown', 'f'], 32],
      [['pagedown', 'b'], 0],
      [['G'], 84],
      [['end', 'down'], 84],
      [['end', 'up'], 83],
      [['end', 'home'], 0],
      [['end', 'g'], 0],
    ] as const) {
      expect(firstRow(after(keys)), keys.join(' ')).to.equal(first);
    }
  });

  it('scroll past rows that begin at one address', () => {
    const rows = manyRows(100).flatMap((row) => [{ ...row, change: 'removed' as const }, row]);
    expect(firstRow(after(['down', 'down'], rows), rows)).to.equal(4);
    expect(firstRow(after(['down', 'down', 'up', 'up'], rows), rows)).to.equal(0);
  });

  it('keep the place when something comes before it', () => {
    const rows = manyRows(100);
    const view = after(['down', 'down', 'down'], rows);
    expect(firstRow(view, [rowOf(0, 0x1000, 'new'), ...rows])).to.equal(4);
  });

  it('type a filter, correct it, keep it, drop it', () => {
    expect(after(['/', 'b', 'q', ' ', 'p']).typed).to.equal('bq p');
    expect(after(['/', 'b', 'x', '\u007f', '\r'])).to.deep.include({ typed: undefined, filter: 'b' });
    expect(after(['/', 'b', '\r', '/', 'x', '\u001b'])).to.deep.include({ typed: undefined, filter: 'b' });
    expect(after(['/', 'b', '\r', '\u001b']).filter).to.equal('');
    expect(after(['/', '\u007f']).typed).to.equal(undefined);
    expect(after(['/', 'a', 'ctrl-u', '内', 'down']).typed).to.equal('内');
  });

  it('pause, and turn pages', () => {
    expect(after(['p']).isPaused).to.equal(true);
    expect(after(['p', ' ']).isPaused).to.equal(false);
    expect(after(['?']).page).to.equal('help');
    expect(after(['?', 'h']).page).to.equal('map');
    expect(after(['e', '\u001b']).page).to.equal('map');
    expect(after(['?', 'down']).anchor).to.equal(0n);
  });

  it('quit, also while a filter is typed; q is a letter then', () => {
    const shown = { rows: [], first: 0, page: 1 };
    const actionOf = (key: string, view = FIRST_VIEW): unknown => press(view, keyOf(key), shown).action;
    const typing = { ...FIRST_VIEW, typed: '' };
    expect([actionOf('q'), actionOf('q', typing), actionOf('Q')]).to.deep.equal(['quit', undefined, undefined]);
    for (const view of [FIRST_VIEW, typing]) {
      const actions = ['ctrl-c', 'ctrl-d', 'ctrl-z', 'ctrl-l'].map((key) => actionOf(key, view));
      expect(actions).to.deep.equal(['interrupt', 'quit', 'suspend', 'redraw']);
    }
    expect(press(FIRST_VIEW, { name: 'p', meta: true, sequence: '\u001bp' }, shown).view).to.equal(FIRST_VIEW);
  });

  it('are all in the help', () => {
    expect(KEYS.map(([keys]) => keys).join(' ')).to.match(/q .*p.*\/.*PgDn.*Home.*e .*\?.*Ctrl-L.*Ctrl-Z/);
  });
});

describe('the filter of watch', () => {
  const rows = [
    rowOf(0, 0xa0000, 'PC.ram'),
    rowOf(0xc0000, 0x20000, 'pc.rom', { writable: false }),
    rowOf(0xfee00000, 0x1000, 'bar', { type: 'device' }),
  ];
  for (const [filter, names] of [
    ['', ['PC.ram', 'pc.rom', 'bar']],
    ['pc', ['PC.ram', 'pc.rom']],
    ['RAMD', ['bar']],
    ['0xdffff', ['pc.rom']],
    ['0xe0000', []],
    ['0xc0000-0xe', ['pc.rom']],
    ['(', []],
  ] as const) {
    it(`"${filter}" finds ${names.length === 0 ? 'nothing' : names.join(', ')}`, () => {
      expect(matching(rows, filter).map(({ name }) => name)).to.deep.equal(names);
    });
  }
});
