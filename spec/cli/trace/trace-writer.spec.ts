import { expect } from 'chai';
import fc from 'fast-check';
import { readTrace } from '../../../cli/trace/read-trace.js';
import { TraceWriter } from '../../../cli/trace/trace-writer.js';
import type { Trace } from '../../../cli/trace/trace.js';
import { parseFlatViews, sectionsOfSpace } from '../../../sources/flat-view.js';
import { isMemory } from '../../../sources/section-kind.js';
import type { Section } from '../../../sources/section.js';
import { wholePages } from '../../../sources/whole-pages.js';
import { flatViewText, sectionLine } from '../../sources/support/fake-qmp.js';
import { TemporaryTraces } from '../support/command.js';

/** What is mapped, in short. */
type Mapped = readonly (readonly [range: string, name: string, kind: string, fileOffset: bigint])[];

function mappedOf(sections: readonly Section[]): Mapped {
  return sections.flatMap((section): Mapped => {
    const pages = wholePages(section);
    const { name, kind } = section;
    return pages === undefined
      ? []
      : [[pages.range.toString(), name === '' ? '(unnamed)' : name, kind, pages.fileOffset]];
  });
}

/** What is mapped after each commit. */
function mappedBy({ commits }: Trace): Mapped[] {
  const there = new Map<object, Mapped[number]>();
  return commits.map(({ removes, adds }) => {
    removes.forEach((section) => there.delete(section));
    for (const section of adds) {
      if (section.range !== undefined) {
        const { range, name, kind, fileOffset } = section;
        there.set(section, [range.toString(), name, kind, fileOffset]);
      }
    }
    return [...there.values()];
  });
}

const byRange = (mapped: Mapped): string[] => mapped.map((one) => one.join(' ')).sort();

/** Any bytes of the first few pages, as QEMU would print them. */
const anySections = fc
  .array(
    fc.record({
      gap: fc.constantFrom(0, 0, 1, 0x800, 0x1000, 0xfff),
      length: fc.constantFrom(1, 0x800, 0xfff, 0x1000, 0x1001, 0x3000),
      name: fc.constantFrom('ram', 'a "b"', 'two\nlines', '\u001b[31m', '', ') : (', 'rom'),
      kind: fc.constantFrom('ram', 'rom', 'ramd', 'romd', 'nv-ram', 'i/o', 'container', 'new-kind'),
      offset: fc.constantFrom(0, 0x1000, 0x800),
      isAligned: fc.boolean(),
    }),
    { maxLength: 8 },
  )
  .map((parts) => {
    let at = 0;
    return parts.map(({ gap, length, name, kind, offset, isAligned }) => {
      const start = at + gap;
      at = start + length;
      return sectionLine(start, at - 1, name, kind, isAligned ? offset + (start % 0x1000) : offset);
    });
  });

describe('TraceWriter', () => {
  let traces: TemporaryTraces;
  before(() => {
    traces = new TemporaryTraces();
  });
  after(() => {
    traces[Symbol.dispose]();
  });

  it('any sequence of dumps becomes a trace whose commits have the memory of the dumps', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anySections, { minLength: 1, maxLength: 6 }), async (dumps) => {
        const writer = new TraceWriter();
        const expected: Mapped[] = [];
        const lines = dumps.map((dump, index) => {
          const sections = sectionsOfSpace(parseFlatViews(flatViewText(dump)), 'memory');
          const written = writer.commit(index * 10, sections);
          if (written !== '') {
            expected.push(mappedOf(sections));
          } else {
            expect(byRange(mappedOf(sections))).to.deep.equal(byRange(expected.at(-1) ?? []));
          }
          return written;
        });
        fc.pre(lines.join('') !== '');
        const trace = await readTrace(traces.write('any.jsonl', lines.join('')));
        expect(mappedBy(trace).map(byRange)).to.deep.equal(expected.map(byRange));
      }),
      { numRuns: 200 },
    );
  });

  it('leaves out what is no memory, and writes nothing when no memory has changed', () => {
    const writer = new TraceWriter();
    const ram: Section = { start: 0n, end: 0x1000n, name: 'ram', kind: 'ram', offset: 0n };
    const io: Section = { ...ram, start: 0x1000n, end: 0x2000n, kind: 'i/o' };
    const [line, none] = writer.commit(1.6, [ram, io]).split('\n');
    expect(JSON.parse(line ?? '')).to.deep.equal({
      ...{
        ms: 2,
        commit: 0,
        op: 'add',
        start: '0x0',
        end: '0x1000',
        name: 'ram',
        kind: 'ram',
        offset: '0x0',
        lines: 1,
      },
    });
    expect(none).to.equal('');
    expect(writer.commit(3, [ram])).to.equal('');
    expect(isMemory('i/o')).to.equal(false);
  });

  it('keeps the first section of memory that a trace cannot have', () => {
    const writer = new TraceWriter();
    const shifted: Section = { start: 0x1000n, end: 0x2000n, name: 'shifted', kind: 'ram', offset: 0x800n };
    expect(writer.commit(0, [shifted])).to.equal('');
    expect(writer.unmappable).to.equal(shifted);
  });
});
