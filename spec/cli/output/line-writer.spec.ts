import { Writable } from 'node:stream';
import { expect } from 'chai';
import { LineWriter } from '../../../cli/output/line-writer.js';

/** Takes one piece at a time, when it is let. */
class SlowReader extends Writable {
  readonly pieces: string[] = [];
  #release: (() => void) | undefined;

  constructor() {
    super({ highWaterMark: 1 });
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.pieces.push(chunk.toString());
    this.#release = done;
  }

  release(): void {
    this.#release?.();
  }
}

describe('LineWriter', () => {
  it('gathers lines, and hands on large pieces', () => {
    const reader = new SlowReader();
    const writer = new LineWriter(reader, { live: false });
    for (let index = 0; index < 7000; index++) {
      writer.writeLine('123456789');
    }
    expect(reader.pieces.map(({ length }) => length)).to.deep.equal([65_540]);
    reader.release();
    writer.flush();
    expect(reader.pieces.join('')).to.equal('123456789\n'.repeat(7000));
  });

  it('waits for a slow reader', async () => {
    const reader = new SlowReader();
    const writer = new LineWriter(reader, { live: true });
    writer.writeLine('first');
    let ready = false;
    const waiting = writer.ready().then(() => {
      ready = true;
    });
    await new Promise(setImmediate);
    expect(ready).to.equal(false);
    reader.release();
    await waiting;
    expect(reader.pieces).to.deep.equal(['first\n']);
  });

  it('does not wait for a reader that has gone', async () => {
    const reader = new SlowReader();
    const writer = new LineWriter(reader, { live: true });
    writer.writeLine('first');
    reader.destroy();
    await writer.ready();
    writer.writeLine('second');
    await writer.ready();
  });

  it('shows each line at once when it is live, and not before it is asked when not', async () => {
    for (const live of [true, false]) {
      const reader = new SlowReader();
      const writer = new LineWriter(reader, { live });
      writer.writeLine('line');
      expect(reader.pieces).to.deep.equal([]);
      const waiting = writer.ready();
      expect(reader.pieces).to.deep.equal(live ? ['line\n'] : []);
      reader.release();
      await waiting;
    }
  });
});
