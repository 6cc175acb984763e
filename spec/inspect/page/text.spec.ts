import { expect } from 'chai';
import { HIGHLIGHT, Highlights } from '../../../inspect/page/model/highlights.js';
import type { Moment } from '../../../inspect/page/model/history.js';
import { short, shortInside, visible } from '../../../inspect/page/model/names.js';
import { retryDelay } from '../../../inspect/page/model/retry.js';
import { NO_STATE } from '../../../inspect/page/model/state.js';
import { address, counted, duration, elapsed, exactSize, range, size } from '../../../inspect/page/model/text.js';

describe('texts of the page', () => {
  it('write addresses in hexadecimal digits, up to the last one', () => {
    expect([address(0), address(0xfec00), address(2 ** 52), range([0, 160])]).to.deep.equal([
      ...['0x0', '0xfec00000', '0x10000000000000000', '0x0-0xa0000'],
    ]);
  });

  it('write sizes in three digits', () => {
    expect([1, 160, 256, 300, 2 ** 18, 2 ** 18 - 256, 2 ** 52].map(size)).to.deep.equal([
      ...['4 KiB', '640 KiB', '1 MiB', '1.17 MiB', '1 GiB', '1023 MiB', '16 EiB'],
    ]);
  });

  it('write sizes without rounding, or not at all', () => {
    expect([0, 272, 384, 2 ** 18, 566_100, 2 ** 52].map(exactSize)).to.deep.equal([
      ...['0', '1088 KiB', '1.5 MiB', '1 GiB', '', '16 EiB'],
    ]);
  });

  it('write durations for people', () => {
    expect([-5, 400, 7000, 65_000, 7_800_000].map(duration)).to.deep.equal([
      '0.0 s',
      '0.4 s',
      '7 s',
      '1 min 5 s',
      '2 h 10 min',
    ]);
    expect([0.041, 12, 1234].map(elapsed)).to.deep.equal(['0.04 ms', '12 ms', '1.2 s']);
  });

  it('write numbers with a noun', () => {
    expect([counted(1, 'mapping'), counted(1204, 'mapping')]).to.deep.equal(['1 mapping', '1,204 mappings']);
  });
});

describe('names of the page', () => {
  it('show what does not show: control characters, and those that change the direction of text', () => {
    expect(visible('a\nb\u001b[31m\u202Etxt\u200B')).to.equal('a\\u{a}b\\u{1b}[31m\\u{202e}txt\\u{200b}');
    expect(visible('\ud800x')).to.equal('\\u{d800}x');
    expect(visible('RAM für 日本 🙂')).to.equal('RAM für 日本 🙂');
    expect(visible('')).to.equal('(no name)');
  });

  it('keep their end in narrow places, where one tells them apart', () => {
    expect(shortInside('vhost-user-12', 7)).to.equal('vho…-12');
    expect(shortInside('nic', 7)).to.equal('nic');
    expect(shortInside('😀'.repeat(9), 5)).to.equal('😀😀…😀😀');
    expect(shortInside('', 20)).to.equal('(no name)');
    expect(shortInside('x'.repeat(1000), 5)).to.equal('xxxx…');
  });

  it('are cut by characters, not in the middle of one', () => {
    expect(short('🙂🙂🙂🙂', 3)).to.equal('🙂🙂…');
    expect(short('abc', 3)).to.equal('abc');
    expect(short('x'.repeat(1_000_000), 5)).to.equal('xxxx…');
  });
});

describe('what stands out', () => {
  const moment = (mapped: readonly (readonly [number, number])[]): Moment => ({
    ...{ state: NO_STATE, mapped, unmapped: [], targets: [], sets: 1, failed: false, logged: 0 },
  });

  it('does so for two seconds, and fades in steps', () => {
    const highlights = new Highlights();
    highlights.add(moment([[0, 1]]), 1000);
    const strengths = [1000, 1499, 1500, 2500, 2999].map((now) => highlights.at(now, true)[0]?.strength);
    expect(strengths).to.deep.equal([1, 1, 0.75, 0.25, 0.25]);
    expect(highlights.nextStep(2999)).to.equal(1);
    expect(highlights.at(3000, true)).to.deep.equal([]);
    expect(highlights.nextStep(3000)).to.equal(undefined);
  });

  it('does not fade for who wants no motion', () => {
    const highlights = new Highlights();
    highlights.add(moment([[0, 1]]), 0);
    expect(highlights.at(1999, false)[0]?.strength).to.equal(1);
    expect(highlights.at(2000, false)).to.deep.equal([]);
  });

  it('is not kept when nobody asks what it is, as a page that is hidden', () => {
    const highlights = new Highlights();
    for (let now = 0; now < 100_000; now += 100) {
      highlights.add(moment([[0, 1]]), now);
    }
    expect(highlights.size).to.be.at.most(HIGHLIGHT.lasts / 100);
    expect(highlights.at(100_000, true)).to.have.length(HIGHLIGHT.lasts / 100 - 1);
  });

  it('is nothing when nothing changed in the map', () => {
    const highlights = new Highlights();
    highlights.add(moment([]), 0);
    expect(highlights.at(0, true)).to.deep.equal([]);
  });
});

describe('attempts to connect', () => {
  it('come ever more slowly, up to one in 15 seconds', () => {
    expect([0, 1, 2, 5, 50].map(retryDelay)).to.deep.equal([500, 1000, 2000, 15_000, 15_000]);
  });
});
