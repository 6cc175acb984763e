import { expect } from 'chai';
import { displayWidth } from '../../../cli/output/text.js';
import { drawWatch } from '../../../cli/watch/draw.js';
import type { Screen } from '../../../cli/watch/draw-rows.js';
import { FIRST_VIEW, type View } from '../../../cli/watch/view.js';
import type { WatchState } from '../../../cli/watch/watch-state.js';
import { COLOURED, manyRows, PLAIN, rowOf, stateOf, targetOf } from './support.js';

function textOf(state: WatchState, screen: Screen = PLAIN, view: Partial<View> = {}): string {
  return drawWatch(state, { ...FIRST_VIEW, ...view }, screen)
    .lines.map((line) => line.trimEnd())
    .filter((line) => line !== '')
    .join('\n');
}

const RAM = rowOf(0x0, 0xa0000, 'pc.ram');
const NEW_ROM = rowOf(0xfffc0000, 0x40000, 'pc.bios', { writable: false, change: 'added' });
const OLD_BAR = rowOf(0xfd000000, 0x1000000, 'vga.vram', { type: 'device', change: 'removed' });

describe('the picture of watch', () => {
  it('shows the source, what there is, and who holds it', () => {
    const state = stateOf({
      rows: [RAM, OLD_BAR, NEW_ROM],
      targets: [targetOf(), targetOf({ name: 'log', held: 0, holdingOf: () => 'not held' })],
    });
    expect(textOf(state)).to.equal(
      [
        'qmp.sock (QEMU 11.1.3)                                                 following',
        'generation 12   3 regions   2 mappings   1 MiB   0.0 changes/s',
        '1 soft: 1 held   2 log: 0 held',
        '        start-end              size  kind  name                              1 2',
        '          0x0-0xa0000       640 KiB  ram   pc.ram                            ● ·',
        '-  0xfd000000-0xfe000000     16 MiB  ramd  vga.vram',
        '+  0xfffc0000-0x100000000   256 KiB  rom   pc.bios                           ● ·',
        'q quit  p pause  / filter  arrows scroll  e errors  ? help',
      ].join('\n'),
    );
  });

  it('of 40 columns leaves out the end of a range, and nothing else', () => {
    const state = stateOf({ rows: [RAM, NEW_ROM], targets: [targetOf()] });
    expect(textOf(state, { ...PLAIN, columns: 40, unicode: false })).to.equal(
      [
        'qmp.sock (QEMU 11.1.3)         following',
        'generation 12   3 regions',
        '2 mappings   1 MiB   0.0 changes/s',
        '1 soft: 1 held',
        '  start           size kind name       1',
        '  0x0          640 KiB ram  pc.ram     *',
        '+ 0xfffc0000   256 KiB rom  pc.bios    *',
        'q quit  p pause  / filter  ? help',
      ].join('\n'),
    );
  });

  it('colours what has changed, and only that', () => {
    const [, , , same, gone, added] = drawWatch(stateOf({ rows: [RAM, OLD_BAR, NEW_ROM] }), FIRST_VIEW, COLOURED).lines;
    expect(same).not.to.contain('\u001b');
    expect(gone).to.match(/^\u001b\[31m- /);
    expect(added).to.match(/^\u001b\[32m\u001b\[1m\+ /);
  });

  it('says what is stuck and what has not answered, for how long, and who is gone', () => {
    const stuck = targetOf({ stuck: 2, stuckSince: 5_400, pendingSince: 7_000, holdingOf: () => 'stuck' });
    const gone = targetOf({ name: 'disk', isGone: true, holdingOf: () => 'not held' });
    const shown = textOf(stateOf({ rows: [OLD_BAR], targets: [stuck, gone] }));
    expect(shown).to.contain('1 soft: 1 held, 2 stuck for 4 s, no answer for 3 s   2 disk: is gone');
    expect(shown).to.match(/^! .*vga\.vram +! ·$/m);
  });

  it('shows the latest problems, whole on a page of their own', () => {
    const problems = [
      { severity: 'warning', text: 'something is odd', count: 3 },
      { severity: 'error', text: `commit 2 failed: ${'EINVAL; put it elsewhere. '.repeat(20)}END`, count: 1 },
    ] as const;
    const shown = textOf(stateOf({ rows: [RAM], problems }));
    expect(shown).to.contain('error: commit 2 failed: EINVAL').and.contain('… e shows all').and.not.contain('END');
    const page = textOf(stateOf({ rows: [RAM], problems }), { ...PLAIN, rows: 40 }, { page: 'problems' });
    expect(page).to.contain('warning: something is odd (3 times)').and.contain('END').and.not.contain('pc.ram');
    expect(textOf(stateOf(), PLAIN, { page: 'problems' })).to.contain('nothing has gone wrong');
  });

  it('shows how the source is doing, that it is paused, the filter, and the help', () => {
    for (const [phase, text] of [
      ['waiting', 'gone, waiting for it'],
      ['ended', 'ended'],
      ['failed', 'failed'],
    ] as const) {
      expect(textOf(stateOf({ status: { phase } }))).to.match(new RegExp(`^qmp.sock .* ${text}$`, 'm'));
    }
    expect(textOf(stateOf(), PLAIN, { isPaused: true })).to.contain('following, PAUSED');
    expect(textOf(stateOf({ rows: [RAM] }), PLAIN, { filter: 'rom' })).to.match(/nothing matches.*\nfilter "rom" /);
    expect(textOf(stateOf(), PLAIN, { typed: 'r\u001b[m' })).to.contain('\n/r?[m');
    expect(textOf(stateOf(), { ...PLAIN, rows: 40 }, { page: 'help' }))
      .to.contain('Ctrl-Z')
      .and.contain('pause');
  });

  it('draws the rows from the anchor on, and says which they are', () => {
    const rows = manyRows(5000);
    const { lines, shown } = drawWatch(stateOf({ rows }), { ...FIRST_VIEW, anchor: 0x12000n }, PLAIN);
    expect(lines).to.have.length(PLAIN.rows);
    expect([shown.first, shown.page]).to.deep.equal([1, 16]);
    expect(lines.at(-1)).to.match(/2-17 of 5,000$/);
    const { shown: last } = drawWatch(stateOf({ rows }), { ...FIRST_VIEW, anchor: 1n << 60n }, PLAIN);
    expect(last.first).to.equal(5000 - 16);
  });

  it('fits every screen, whatever the names are', () => {
    const names = ['\u001b[2J\u0007\n', '内存'.repeat(30), '\u202e\u200b', 'x'.repeat(3000), '👩‍👩‍👧 e\u0301', ''];
    const rows = names.map((name, index) => rowOf(BigInt(index) << 61n, 0x1000, name, { change: 'added' }));
    const targets = names.map((name) => targetOf({ name, stuck: 1, stuckSince: 0, pendingSince: 0 }));
    const problems = names.map((text) => ({ severity: 'error', text, count: 1000 }) as const);
    for (const columns of [1, 5, 9, 20, 40, 57, 80, 120]) {
      for (const height of [1, 3, 8, 24]) {
        for (const count of [0, 1, 6]) {
          for (const view of [
            FIRST_VIEW,
            { ...FIRST_VIEW, isPaused: true },
            { ...FIRST_VIEW, typed: '内'.repeat(99) },
            { ...FIRST_VIEW, page: 'help' } as const,
          ]) {
            const state = stateOf({ description: names.join(''), rows, targets: targets.slice(0, count), problems });
            const { lines } = drawWatch(state, view, { ...PLAIN, columns, rows: height });
            expect(lines.length).to.be.at.most(height);
            // Narrower than 40 columns the terminal cuts.
            expect(lines.filter((line) => displayWidth(line) > Math.max(40, columns))).to.deep.equal([]);
            expect(lines.join('')).not.to.match(/[\p{C}]/u);
          }
        }
      }
    }
  });

  it('with many targets counts who holds a mapping', () => {
    const targets = Array.from({ length: 30 }, (_none, index) =>
      targetOf({ name: `t${index}`, holdingOf: () => (index < 3 ? 'held' : 'not held') }),
    );
    const shown = textOf(stateOf({ rows: [RAM], targets }));
    expect(shown)
      .to.match(/pc\.ram +3\/30$/m)
      .and.contain('… 30 targets');
  });
});
