import { expect } from 'chai';
import { TraceError } from '../../../cli/errors.js';
import { readTrace } from '../../../cli/trace/read-trace.js';
import type { Trace } from '../../../cli/trace/trace.js';
import { line, TemporaryTraces } from '../support/command.js';

const ROM = { start: '0xc0000', end: '0xe0000', name: 'rom', kind: 'rom' };
const WINDOW = { start: '0xa0000', end: '0xc0000', name: 'vga', kind: 'i/o' };

describe('the priorities of a trace', () => {
  let traces: TemporaryTraces;
  before(() => {
    traces = new TemporaryTraces();
  });
  after(() => {
    traces[Symbol.dispose]();
  });

  function read(lines: string | readonly object[]): Promise<Trace> {
    return readTrace(traces.write('trace.jsonl', lines));
  }

  /** The message, from the number of the line on. */
  async function failure(lines: string | readonly object[]): Promise<string> {
    const path = traces.path('trace.jsonl');
    try {
      await read(lines);
    } catch (error) {
      expect(error).to.be.instanceOf(TraceError);
      return (error as TraceError).message.slice(path.length);
    }
    throw new Error('the trace was accepted');
  }

  it('let sections overlap, those without one too where the other has one', async () => {
    const trace = await read([line(), line({ ...ROM, priority: 1 }), line({ ...ROM, name: 'low', priority: -0.5 })]);
    expect(trace.hasPriorities).to.equal(true);
    expect(trace.commits[0]?.adds.map(({ priority }) => priority)).to.deep.equal([undefined, 1, -0.5]);
  });

  it('are absent from a trace without them, whose sections must not overlap; the refusal says how they could', async () => {
    expect((await read([line()])).hasPriorities).to.equal(false);
    const refusal = await failure([line(), line(ROM)]);
    expect(refusal).to.match(/^:2: adds 0xc0000-0xe0000 "rom" \(rom, offset 0x0\), which overlaps 0x0-0x100000 "ram0"/);
    expect(refusal).to.match(
      /; or give the one that is to show, or both, a "priority": sections with one may overlap, and the highest shows$/,
    );
  });

  it('do not let two sections without one overlap', async () => {
    expect(await failure([line({ ...ROM, priority: 3 }), line(), line(ROM)])).to.match(/^:3: .*overlaps 0x0-0x100000/);
  });

  it('make a window of a section that is no memory, which takes its place, and counts as no ignored hole', async () => {
    const trace = await read([line(), line({ ...WINDOW, priority: 1 }), line(WINDOW)]);
    const [, window] = trace.commits[0]?.adds ?? [];
    expect(window).to.include({ name: 'vga', range: undefined, priority: 1 });
    expect(window?.covers.toString()).to.equal('0xa0000-0xc0000');
    expect(trace.holes).to.equal(1);
    expect([...trace.blocks.keys()]).to.deep.equal(['ram0']);
  });

  it('leave a container what it is: it covers nothing', async () => {
    const trace = await read([line(), line({ ...WINDOW, kind: 'container', priority: 9 })]);
    expect(trace.commits[0]?.adds).to.have.length(1);
    expect(trace).to.include({ holes: 1, hasPriorities: false });
  });

  it('cover pages that a section takes in part, of which nothing is mapped', async () => {
    const trace = await read([
      line(),
      line({ start: '0xa0800', end: '0xc0400', name: 'vga', offset: '0x800', priority: 1 }),
      line({ start: '0xd0010', end: '0xd0020', name: 'tpm', priority: 1 }),
      line({ start: '0xd8010', end: '0xd9020', name: 'registers', kind: 'i/o', priority: 1 }),
    ]);
    expect(trace.commits[0]?.adds.map(({ range, covers }) => `${String(range)} of ${covers.toString()}`)).to.deep.equal(
      [
        '0x0-0x100000 of 0x0-0x100000',
        '0xa1000-0xc0000 of 0xa0000-0xc1000',
        'undefined of 0xd0000-0xd1000',
        'undefined of 0xd8000-0xda000',
      ],
    );
    expect(trace.rounded?.count).to.equal(2);
  });

  it('are repeated by a remove; one without it, or with another, removes nothing', async () => {
    const add = line({ ...ROM, priority: 2 });
    const remove = { commit: 1, op: 'remove', ...ROM };
    const trace = await read([line(), add, line({ ...remove, priority: 2 })]);
    expect(trace.commits[1]?.removes).to.deep.equal([trace.commits[0]?.adds[1]]);
    for (const other of [{}, { priority: 1 }]) {
      expect(await failure([line(), add, line({ ...remove, ...other })])).to.match(
        /^:3: removes .*never added so; .*line 2 added 0xc0000-0xe0000 "rom" \(rom, offset 0x0, priority 2\)$/,
      );
    }
    expect(await failure([line({ ...remove, priority: 2 })])).to.match(
      /is not there; .* offset and priority of an add/,
    );
  });

  it('let a section be there once', async () => {
    for (const commit of [0, 1]) {
      expect(await failure([line({ ...ROM, priority: 1 }), line({ commit, ...ROM, priority: 1 })])).to.match(
        /^:2: adds .*priority 1\), which line 1 has added already; remove the other first/,
      );
    }
  });

  for (const [given, shown] of [
    ['"1"', '"1"'],
    ['null', 'null'],
    ['true', 'true'],
    ['[1]', '[1]'],
    ['1e999', 'Infinity'],
    ['-1e999', '-Infinity'],
  ] as const) {
    it(`are finite numbers: ${given} is refused by line and value`, async () => {
      const row = JSON.stringify(line(ROM)).replace(/}$/, `,"priority":${given}}`);
      expect(await failure(`${JSON.stringify(line({ end: '0xa0000' }))}\n${row}\n`)).to.equal(
        `:2: "priority" is ${shown}; it must be a finite number, such as 1 or -1, or left out`,
      );
    });
  }
});
