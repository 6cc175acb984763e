import { expect } from 'chai';
import { judge } from '../../lab/guest.js';

describe('judging how a guest ended', () => {
  it('believes a status on which the serial line and the exit port agree', () => {
    expect(judge((42 << 1) | 1, 'LAB-UP 1\nLAB-EXIT 42\n', '')).to.deep.equal({ kind: 'exited', status: 42 });
    expect(judge(((200 << 1) | 1) & 0xff, 'LAB-EXIT 200\r\n', '')).to.deep.equal({ kind: 'exited', status: 200 });
  });

  for (const [what, code, serial, kind] of [
    ['a line without the port', 0, 'LAB-UP 1\nLAB-EXIT 0\n', 'lost'],
    ['a port without the line', 1, 'LAB-UP 1\n', 'lost'],
    ['a line and another port', 3, 'LAB-UP 1\nLAB-EXIT 0\n', 'lost'],
    ['a panic after a line', 0, 'LAB-UP 1\nLAB-EXIT 0\nKernel panic - not syncing\n', 'panicked'],
    ["QEMU's own complaint", 1, '', 'not-started'],
    ['a file system that was not there', 251, 'LAB-UP 1\nLAB-FAULT gone\nLAB-EXIT 125\n', 'lost'],
  ] as const) {
    it(`does not take ${what} for a status`, () => {
      expect(judge(code, serial, '').kind).to.equal(kind);
    });
  }
});
