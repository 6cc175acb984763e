import { expect } from 'chai';
import { TraceError, UsageError } from '../../../cli/errors.js';
import { readTrace } from '../../../cli/trace/read-trace.js';
import { line, PACKAGE, TemporaryTraces } from '../support/command.js';

describe('readTrace', () => {
  let traces: TemporaryTraces;
  before(() => {
    traces = new TemporaryTraces();
  });
  after(() => {
    traces[Symbol.dispose]();
  });

  async function failure(content: string | Uint8Array | readonly object[]): Promise<Error> {
    const path = traces.write('bad.jsonl', content);
    try {
      await readTrace(path);
    } catch (error) {
      expect(error).to.be.instanceOf(TraceError);
      const { message } = error as TraceError;
      expect(message.startsWith(path)).to.equal(true, message);
      return new Error(message.slice(path.length));
    }
    throw new Error('the trace was taken for good');
  }

  it("gathers a real machine's lines into commits, and sizes each block by how far it is reached into", async () => {
    const trace = await readTrace(`${PACKAGE}examples/traces/q35-boot.jsonl`);
    expect(trace.lineCount).to.equal(21);
    expect(
      trace.commits.map(({ number, ms, removes, adds }) => [number, ms, removes.length, adds.length]),
    ).to.deep.equal([
      [0, 1, 0, 5],
      [1, 4, 3, 1],
      [2, 22, 0, 1],
      [3, 81, 0, 1],
      [4, 87, 1, 0],
      [5, 97, 1, 6],
      [6, 10213, 0, 1],
      [7, 13209, 0, 1],
    ]);
    expect([...trace.blocks.values()]).to.deep.equal([
      { name: 'ram0', size: 0x80000000n },
      { name: 'pc.rom', size: 0x20000n },
      { name: 'pc.bios', size: 0x40000n },
      { name: 'vga.vram', size: 0x1000000n },
      { name: 'e1000e.rom', size: 0x40000n },
      { name: 'hot0', size: 0x20000000n },
      { name: 'hot1', size: 0x10000000n },
    ]);
  });

  it('reads a file that is split anywhere: blank lines, carriage returns, no newline at the end, a byte order mark', async () => {
    const text = `\ufeff${JSON.stringify(line({ name: 'Ærø' }))}\r\n\n  \n${JSON.stringify(line({ commit: 1, start: '0x100000', end: '0x200000' }))}`;
    const trace = await readTrace(traces.write('odd.jsonl', text));
    expect(trace.lineCount).to.equal(2);
    expect(trace.commits[0]?.adds[0]?.name).to.equal('Ærø');
    expect(trace.commits[1]?.adds[0]?.line).to.equal(4);
  });

  it('reads a file of many pieces, and keeps the numbers of its lines', async () => {
    const page = (index: number): object =>
      line({
        commit: index,
        start: hex(index * 4096),
        end: hex((index + 1) * 4096),
        name: 'é'.repeat(index % 100) + 'x',
      });
    const trace = await readTrace(
      traces.write(
        'long.jsonl',
        Array.from({ length: 5000 }, (_, index) => page(index)),
      ),
    );
    expect(trace.commits).to.have.length(5000);
    expect(
      trace.commits.every(
        ({ adds }, index) => adds[0]?.line === index + 1 && adds[0].name.length === (index % 100) + 1,
      ),
    ).to.equal(true);
  });

  it('takes the lines of one commit together: a remove makes room for an add that stands before it', async () => {
    const trace = await readTrace(
      traces.write('together.jsonl', [
        line(),
        line({ commit: 1, start: '0x80000', end: '0x180000', name: 'other' }),
        line({ commit: 1, op: 'remove' }),
      ]),
    );
    expect(trace.commits[1]?.removes).to.deep.equal(trace.commits[0]?.adds);
    expect(trace.commits[1]?.adds.map(({ name }) => name)).to.deep.equal(['other']);
  });

  it('sizes a block by the furthest reach into it, first or last', async () => {
    const far = line({ start: '0x100000', end: '0x200000', offset: '0x700000' });
    for (const lines of [
      [far, line()],
      [line(), far],
    ]) {
      const trace = await readTrace(traces.write('reach.jsonl', lines));
      expect(trace.blocks.get('ram0')?.size).to.equal(0x800000n);
    }
  });

  it('drops what one commit adds and removes again', async () => {
    const trace = await readTrace(traces.write('passing.jsonl', [line(), line({ op: 'remove' })]));
    expect(trace.commits).to.have.length(1);
    expect(trace.commits[0]?.adds).to.deep.equal([]);
    expect(trace.commits[0]?.removes).to.deep.equal([]);
  });

  it('lets fields pass that it does not know', async () => {
    const trace = await readTrace(traces.write('more.jsonl', [line({ recorder: 'of mine', __proto__: 1 })]));
    expect(trace.lineCount).to.equal(1);
  });

  describe('names the line and says what is wrong there', () => {
    const cases: readonly (readonly [title: string, lines: readonly object[], message: RegExp])[] = [
      ['a missing field', [line(), { ms: 1, commit: 1, op: 'add' }], /^:2: the field "start" is missing; it must be/],
      ['an unknown op', [line({ op: 'move' })], /^:1: "op" is "move"; it must be "add" or "remove"$/],
      [
        'an unknown kind',
        [line({ kind: 'flash' })],
        /^:1: "kind" is "flash"; it must be "ram", "rom", "ramd", "romd", "nv-ram", "nv-rom", "nv-ramd", "nv-romd", "i\/o" or "container"$/,
      ],
      [
        'an address that is a number',
        [line({ start: 0 })],
        /^:1: "start" is 0; it must be the first address in hexadecimal, such as "0xa0000"$/,
      ],
      ['an address that is not hexadecimal', [line({ end: '100000' })], /^:1: "end" is "100000"; it must be/],
      ['a fraction of a commit', [line({ commit: 0.5 })], /^:1: "commit" is 0.5; it must be a whole number/],
      ['a negative time', [line({ ms: -1 })], /^:1: "ms" is -1; it must be/],
      ['an empty name', [line({ name: '' })], /^:1: "name" is ""; it must be/],
      ['an empty range', [line({ end: '0x0' })], /^:1: range 0x0-0x0 is empty; .*above "start"$/],
      [
        'a range that ends before it starts',
        [line({ start: '0x200000' })],
        /^:1: range 0x200000-0x100000 ends before it starts;/,
      ],
      [
        'a start between pages, of memory that is not',
        [line({ start: '0x800' })],
        /^:1: start 0x800 and offset 0x0 differ modulo the page size 0x1000; .*correct "start" or "offset"$/,
      ],
      [
        'an offset between pages, of a section that is not',
        [line({ offset: '0x10' })],
        /^:1: start 0x0 and offset 0x10 differ modulo the page size 0x1000;/,
      ],
      [
        'a range above 2^64',
        [line({ start: '0x1000', end: '0x10000000000001000' })],
        /^:1: .*reaches out of the address space/,
      ],
      [
        'a block longer than any file',
        [line({ offset: '0xfffffffffffff000' })],
        /^:1: offset 0xfffffffffffff000 .*beyond 2\^63/,
      ],
      ['commits that go backwards', [line({ commit: 2 }), line({ commit: 1 })], /^:2: commit 1 comes after commit 2;/],
      [
        'a commit that is taken up again',
        [line(), line({ commit: 1, op: 'remove' }), line()],
        /^:3: commit 0 comes after commit 1;/,
      ],
      [
        'a remove of what was never added',
        [line({ op: 'remove' })],
        /^:1: removes 0x0-0x100000 "ram0" \(ram, offset 0x0\), which is not there;/,
      ],
      [
        'a remove of what has gone',
        [line(), line({ commit: 1, op: 'remove' }), line({ commit: 2, op: 'remove' })],
        /^:3: removes .* which is not there;/,
      ],
      [
        'a remove that differs from the add',
        [line(), line({ commit: 1, op: 'remove', kind: 'rom' })],
        /^:2: removes .*\(rom, offset 0x0\), which was never added so; .*line 1 added 0x0-0x100000 "ram0" \(ram, offset 0x0\)$/,
      ],
      [
        'an overlap with an earlier commit',
        [line(), line({ commit: 1, start: '0xff000', end: '0x200000', name: 'b' })],
        /^:2: adds 0xff000-0x200000 "b" .* overlaps 0x0-0x100000 "ram0" \(ram, offset 0x0\) of line 1;/,
      ],
      ['an overlap inside a commit', [line({ start: '0x1000' }), line()], /^:2: adds .* overlaps .* of line 1;/],
      ['the same section twice', [line(), line()], /^:2: adds .* which line 1 has added already;/],
      [
        'the same section twice, in two commits',
        [line(), line({ commit: 1 })],
        /^:2: adds .* which line 1 has added already;/,
      ],
    ];
    for (const [title, lines, message] of cases) {
      it(title, async () => {
        expect((await failure(lines)).message).to.match(message);
      });
    }

    it('not JSON', async () => {
      expect((await failure(`${JSON.stringify(line())}\n{"ms": 1,\n`)).message).to.match(
        /^:2: not JSON \(.*\); each line is one object such as \{"ms":1,/,
      );
    });

    it('JSON, and not an object', async () => {
      for (const text of ['null', '[]', '3', '"ram0"']) {
        expect((await failure(text)).message).to.contain(`:1: ${text} is not an object`);
      }
    });

    it('a value that is nested too deeply to be shown', async () => {
      const deep = '['.repeat(200_000) + ']'.repeat(200_000);
      expect((await failure(deep)).message).to.match(/^:1: a value that is nested too deeply .* is not an object;/);
      expect((await failure(`{"ms":${deep}}`)).message).to.match(/^:1: "ms" is a value that is nested too deeply/);
    });

    it('not UTF-8', async () => {
      const bad = Buffer.concat([
        Buffer.from(`${JSON.stringify(line())}\n{"name":"`),
        Buffer.from([0xc3, 0x28]),
        Buffer.from('"}\n'),
      ]);
      expect((await failure(bad)).message).to.match(/^:2: not valid UTF-8;/);
    });

    it('a line without end', async () => {
      expect((await failure(Buffer.alloc(4 << 20, 0x20))).message).to.match(/^:1: longer than 1 MiB;/);
    });

    it('an empty file, and one of blank lines', async () => {
      expect((await failure('')).message).to.match(/^: the trace is empty;/);
      expect((await failure('\n \n\n')).message).to.match(/^: the trace is empty;/);
    });
  });

  it('says which file cannot be read, and why', async () => {
    for (const [path, why] of [
      [traces.path('nowhere.jsonl'), 'no such file'],
      [PACKAGE, 'it is a directory'],
    ] as const) {
      let thrown: unknown;
      await readTrace(path).catch((error: unknown) => {
        thrown = error;
      });
      expect(thrown).to.be.instanceOf(UsageError);
      expect((thrown as UsageError).message).to.contain(`cannot read ${path}: ${why}`);
    }
  });
});

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
