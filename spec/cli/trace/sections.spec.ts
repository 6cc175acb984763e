import { expect } from 'chai';
import fc from 'fast-check';
import { TraceError } from '../../../cli/errors.js';
import { placeSection } from '../../../cli/trace/place-section.js';
import { readTrace } from '../../../cli/trace/read-trace.js';
import { isMapped } from '../../../cli/trace/section.js';
import { isWritable, mappingType } from '../../../sources/section-kind.js';
import type { Trace } from '../../../cli/trace/trace.js';
import { MemoryRange } from '../../../streams/index.js';
import { line, TemporaryTraces } from '../support/command.js';

const PAGE = 0x1000;

/** A page of registers: the I/O APIC of a PC. */
const IOAPIC = { start: '0xfec00000', end: '0xfec01000', name: 'ioapic', kind: 'i/o', offset: '0x0' };

describe('the sections of a trace', function () {
  this.timeout(30_000);

  let traces: TemporaryTraces;
  before(() => {
    traces = new TemporaryTraces();
  });
  after(() => {
    traces[Symbol.dispose]();
  });

  function read(lines: readonly object[]): Promise<Trace> {
    return readTrace(traces.write('trace.jsonl', lines));
  }

  /** The message, from the number of the line on. */
  async function failure(lines: readonly object[]): Promise<string> {
    const path = traces.path('trace.jsonl');
    try {
      await read(lines);
    } catch (error) {
      expect(error).to.be.instanceOf(TraceError);
      return (error as TraceError).message.slice(path.length);
    }
    throw new Error('the trace was taken for good');
  }

  describe('that are no memory', () => {
    for (const kind of ['i/o', 'container']) {
      it(`${kind}: are holes, which are counted, and do not size a memory block`, async () => {
        const trace = await read([
          line(),
          line({ ...IOAPIC, kind, name: 'ram0' }),
          line({ commit: 1, ...IOAPIC, kind }),
        ]);
        expect(trace.commits.map(({ adds, holes }) => [adds.length, holes])).to.deep.equal([
          [1, 1],
          [0, 1],
        ]);
        expect(trace.holes).to.equal(2);
        expect(trace.rounded).to.equal(undefined);
        expect([...trace.blocks.values()]).to.deep.equal([{ name: 'ram0', size: 0x100000n }]);
      });
    }

    it('overlap nothing', async () => {
      for (const end of ['0x80', '0x2000', '0x200000']) {
        const window = line({ end, name: 'registers', kind: 'i/o' });
        for (const lines of [
          [line(), window],
          [window, line()],
        ]) {
          expect((await read(lines)).commits[0]?.adds).to.have.length(1);
        }
      }
    });

    it('go by a remove that repeats them, and come back', async () => {
      const remove = line({ commit: 1, op: 'remove', ...IOAPIC });
      const trace = await read([
        line(IOAPIC),
        remove,
        line({ commit: 2, ...IOAPIC }),
        line({ commit: 2, op: 'remove', ...IOAPIC }),
      ]);
      expect(trace.holes).to.equal(2);
      expect(trace.commits.map(({ holes }) => holes)).to.deep.equal([1, 1, 2]);
      expect(await failure([line(IOAPIC), remove, remove])).to.match(
        /^:3: removes .*"ioapic" \(i\/o, offset 0x0\), which is not there;/,
      );
    });

    it('go by no remove that differs', async () => {
      for (const fields of [{ end: '0xfec02000' }, { name: 'other' }, { kind: 'ram' }, { offset: '0x8' }]) {
        expect(await failure([line(IOAPIC), line({ commit: 1, op: 'remove', ...IOAPIC, ...fields })])).to.match(
          /^:2: removes .* which was never added so; .*line 1 added 0xfec00000-0xfec01000 "ioapic" \(i\/o, offset 0x0\)$/,
        );
      }
    });

    it('are there once', async () => {
      for (const commit of [0, 1]) {
        expect(await failure([line(IOAPIC), line({ commit, ...IOAPIC })])).to.match(
          /^:2: adds 0xfec00000-0xfec01000 "ioapic" .* which line 1 has added already;/,
        );
      }
    });
  });

  it('are writable, and memory of a device, by their kind', () => {
    expect(
      (['ram', 'rom', 'ramd', 'romd', 'nv-ram', 'nv-rom'] as const).map((kind) => [
        kind,
        isWritable(kind) ? 'rw' : 'r',
        mappingType(kind),
      ]),
    ).to.deep.equal([
      ['ram', 'rw', 'ram'],
      ['rom', 'r', 'ram'],
      ['ramd', 'rw', 'device'],
      ['romd', 'r', 'device'],
      ['nv-ram', 'rw', 'ram'],
      ['nv-rom', 'r', 'ram'],
    ]);
  });

  describe('that are not page aligned', () => {
    it('are rounded inwards, the offset along with the start', async () => {
      const part = { start: '0xa0800', end: '0xc0400', name: 'vga', offset: '0x12800' };
      const trace = await read([line(part), line({ commit: 1, op: 'remove', ...part })]);
      const [section] = trace.commits[0]?.adds.filter(isMapped) ?? [];
      expect(section?.range.toString()).to.equal('0xa1000-0xc0000');
      expect(section?.fileOffset).to.equal(0x13000n);
      expect([...trace.blocks.values()]).to.deep.equal([{ name: 'vga', size: 0x13000n + 0x1f000n }]);
      expect(trace.commits[1]?.removes).to.deep.equal([section]);
    });

    it('go by no remove of other bytes, even of the same pages', async () => {
      const part = { start: '0xa0800', end: '0xc0400', offset: '0x12800' };
      for (const other of [{ start: '0xa0900', offset: '0x12900' }, { end: '0xc0800' }]) {
        expect(await failure([line(part), line({ commit: 1, op: 'remove', ...part, ...other })])).to.match(
          /^:2: removes .*never added so; .*line 1 added 0xa0800-0xc0400 "ram0" \(ram, offset 0x12800\)$/,
        );
      }
    });

    it('may meet within a page, which belongs to neither', async () => {
      const trace = await read([
        line({ end: '0x1800' }),
        line({ start: '0x1800', end: '0x4000', offset: '0x1800', kind: 'rom' }),
      ]);
      expect(trace.commits[0]?.adds.map(({ range }) => String(range))).to.deep.equal(['0x0-0x1000', '0x2000-0x4000']);
    });

    it('are holes where there is no whole page, whatever their offset', async () => {
      // The command buffer of a TPM in QEMU.
      const tpm = { start: '0xfed40080', end: '0xfed41000', name: 'tpm-crb-cmd', offset: '0x0' };
      const trace = await read([line(), line(tpm), line({ commit: 1, op: 'remove', ...tpm })]);
      expect(trace.holes).to.equal(1);
      expect(trace.commits.map(({ adds, removes }) => [adds.length, removes.length])).to.deep.equal([
        [1, 0],
        [0, 0],
      ]);
      expect([...trace.blocks.keys()]).to.deep.equal(['ram0']);
    });

    it('are counted, and the first is kept', async () => {
      const trace = await read([
        line(),
        line({ start: '0x100000', end: '0x100800', name: 'first' }),
        line({ start: '0x200000', end: '0x201800', name: 'second' }),
        line({ start: '0x300400', end: '0x302000', name: 'third', offset: '0x400' }),
        line({ start: '0x400400', end: '0x400800', name: 'registers', kind: 'i/o' }),
        line({ commit: 1, op: 'remove', start: '0x200000', end: '0x201800', name: 'second' }),
      ]);
      expect(trace.rounded?.count).to.equal(3);
      expect(trace.rounded?.first).to.include({ name: 'first', line: 2, range: undefined });
    });

    it('give what the rounded addresses would', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(partSection(), { minLength: 1, maxLength: 12 }), async (parts) => {
          const given: object[] = [line()];
          const rounded: object[] = [line()];
          let from = 0x100000;
          for (const { gap, length, block, pages } of parts) {
            const start = from + gap;
            const end = start + length;
            from = end;
            // An end that ends with fff is taken for an inclusive one.
            if (end % PAGE === PAGE - 1) {
              continue;
            }
            const fields = { name: `ram${block}`, kind: ['ram', 'rom', 'ramd'][block] };
            given.push(
              line({ ...fields, start: hex(start), end: hex(end), offset: hex(pages * PAGE + (start % PAGE)) }),
            );
            const first = Math.ceil(start / PAGE) * PAGE;
            const last = Math.floor(end / PAGE) * PAGE;
            if (first < last) {
              const offset = pages * PAGE + (start % PAGE) + (first - start);
              rounded.push(line({ ...fields, start: hex(first), end: hex(last), offset: hex(offset) }));
            }
          }
          expect(placed(await read([...given, ...removing(given)]))).to.deep.equal(
            placed(await read([...rounded, ...removing(rounded)])),
          );
        }),
        { numRuns: 200 },
      );
    });
  });

  describe('whose end ends with fff', () => {
    it('are refused, with the end that is meant', async () => {
      for (const kind of ['ram', 'nv-rom', 'i/o']) {
        expect(await failure([line({ end: '0x9ffff', kind })])).to.equal(
          ':1: "end" is 0x9ffff, which is the last address of a page; ' +
            '"end" is exclusive, the address after the last: if 0x9ffff is the last one, write "0xa0000"',
        );
      }
    });

    it('also at the end of the address space, and in a remove', async () => {
      expect(await failure([line({ start: '0xfffffffffffff000', end: '0xffffffffffffffff' })])).to.match(
        /write "0x10000000000000000"$/,
      );
      expect(await failure([line(), line({ commit: 1, op: 'remove', end: '0xfffff' })])).to.match(
        /^:2: .*write "0x100000"$/,
      );
    });
  });

  it('are refused where they end before they start, are empty, or out of bounds, whatever their kind', () => {
    for (const kind of ['ram', 'i/o'] as const) {
      const place = (start: bigint, end: bigint) => () =>
        placeSection('t', { start, end, name: 'n', kind, offset: 0n, line: 1 });
      expect(place(0x2010n, 0x1010n)).to.throw(TraceError, /ends before it starts; .*"end" above "start"/);
      expect(place(0x2010n, 0x2010n)).to.throw(TraceError, /is empty; .*"end" above "start"/);
      expect(place(0x2000n, (1n << 64n) + 1n)).to.throw(TraceError, /reaches out of the address space/);
    }
  });

  describe('that overlap: the hint says how to cut them', () => {
    const first = { start: '0x100000', end: '0x200000', name: 'first' };
    const cases = [
      ['0x180000', '0x280000', 'leave it there, and add only 0x200000-0x280000'],
      ['0x0', '0x300000', 'leave it there, and add only 0x0-0x100000 and 0x200000-0x300000'],
      [
        '0x140000',
        '0x180000',
        'where the rest of it is to stay, add 0x100000-0x140000 and 0x180000-0x200000 of it again',
      ],
    ] as const;
    for (const [start, end, hint] of cases) {
      it(`${start}-${end} over 0x100000-0x200000`, async () => {
        const second = { start, end, name: 'second' };
        const message = await failure([line(first), line({ commit: 1, ...second })]);
        expect(message).to.match(/^:2: adds .* overlaps 0x100000-0x200000 "first" \(ram, offset 0x0\) of line 1;/);
        expect(message).to.contain(`remove the other first, in this commit or before; `);
        expect(message).to.contain(hint);
        const parts = [...hint.matchAll(/0x[0-9a-f]+-0x[0-9a-f]+/g)].map(([text]) => {
          const range = MemoryRange.parse(text);
          return line({ commit: 1, start: hex(Number(range.start)), end: hex(Number(range.end)), name: 'part' });
        });
        const advised = hint.startsWith('leave')
          ? parts
          : [line({ commit: 1, op: 'remove', ...first }), line({ commit: 1, ...second }), ...parts];
        await read([line(first), ...advised]);
      });
    }

    it('which is no more than to remove one, where both have the same range', async () => {
      expect(await failure([line(), line({ commit: 1, name: 'second' })])).to.match(
        /remove the other first, in this commit or before; or give .* a "priority"/,
      );
    });
  });
});

/** Up to three pages, at any byte, after a gap. */
function partSection(): fc.Arbitrary<{ gap: number; length: number; block: number; pages: number }> {
  return fc.record({
    gap: fc.oneof(fc.constant(0), fc.nat(2 * PAGE)),
    length: fc.oneof(fc.integer({ min: 1, max: 3 * PAGE }), fc.constantFrom(PAGE, 2 * PAGE, PAGE / 2)),
    block: fc.nat(2),
    pages: fc.nat(1000),
  });
}

function removing(lines: readonly object[]): object[] {
  return lines.map((each) => ({ ...each, commit: 1, op: 'remove' }));
}

/** All that a replay takes from a trace, but for the bytes of the lines. */
function placed({ commits, blocks }: Trace): object {
  return {
    commits: commits.map(({ adds, removes }) =>
      [adds, removes].map((sections) =>
        sections
          .filter(isMapped)
          .map(({ range, fileOffset, name, kind }) => `${range.toString()} ${fileOffset} ${name} ${kind}`),
      ),
    ),
    blocks: [...blocks.values()],
  };
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
