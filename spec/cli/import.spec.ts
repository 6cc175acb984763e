import { existsSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { TraceError, UsageError } from '../../cli/errors.js';
import { isMapped } from '../../cli/trace/section.js';
import { readTrace } from '../../cli/trace/read-trace.js';
import { readDump, type DumpKind } from '../../cli/record/read-dump.js';
import { dmaStreams, PACKAGE, TemporaryTraces } from './support/command.js';

const RECORDED = `${PACKAGE}spec/qemu/recorded/q35-after.txt`;
const BY_11 = `${PACKAGE}spec/sources/recorded/qemu-11-q35-after.txt`;

describe('dma-streams import', function () {
  this.timeout(60_000);

  let traces: TemporaryTraces;
  before(() => {
    traces = new TemporaryTraces();
  });
  after(() => {
    traces[Symbol.dispose]();
  });

  /** The sections of memory in the only commit of a trace. */
  async function mappingsOf(trace: string): Promise<readonly unknown[]> {
    const { commits } = await readTrace(traces.write('imported.jsonl', trace));
    expect(commits).to.have.length(1);
    return commits.flatMap(({ adds }) => adds.filter(isMapped));
  }

  for (const file of [RECORDED, BY_11]) {
    it(`makes a trace of the transcript ${file.slice(PACKAGE.length)}, by both forms of info mtree`, async () => {
      const flat = await dmaStreams(['import', 'mtree', file]);
      expect(flat.status, flat.stderr).to.equal(0);
      expect(flat.stderr).to.equal('');
      const mappings = await mappingsOf(flat.stdout);
      expect(mappings.length).to.be.greaterThan(6);

      const text = readFileSync(file, 'utf8').replace(/\(qemu\) info mtree -f\n[^]*/, '(qemu) ');
      const tree = await dmaStreams(['import', 'mtree', '-'], { input: text });
      expect(tree.status, tree.stderr).to.equal(0);
      expect(tree.stderr).to.match(/^dma-streams: warning: 'info mtree' does not tell which aliases are read-only/);
      const sizes = (trace: string): Set<string> =>
        new Set(trace.match(/"(?:name|end)":"[^"]*"/g)?.filter((field) => field.startsWith('"name"')));
      expect(sizes(tree.stdout)).to.deep.equal(sizes(flat.stdout));
    });
  }

  it('makes a trace of /proc/iomem, into a file', async () => {
    const output = traces.path('host.jsonl');
    const input =
      '00001000-0009ffff : System RAM\n000a0000-000bffff : PCI Bus 0000:00\n00100000-3fffffff : System RAM\n';
    const { status, stdout, stderr } = await dmaStreams(['import', 'iomem', '-', '-o', output], { input });
    expect([status, stdout, stderr]).to.deep.equal([0, '', '']);
    expect(await mappingsOf(readFileSync(output, 'utf8'))).to.have.length(2);
  });

  const flat = (body: string): string =>
    `FlatView #0\n AS "memory", root: system\n Root memory region: system\n${body}`;
  const BAD: readonly (readonly [title: string, args: readonly string[], input: string, message: RegExp])[] = [
    [
      'a dump that is cut short',
      ['mtree', '-'],
      flat('  0000000000000000-000000000009ffff (prio 0, ram): pc.ram\n'),
      /^-:4: .*cut short; dump it again/,
    ],
    [
      'a line within',
      ['mtree', '-'],
      flat('  0000000000000000-00000000000 (prio 0, ram): pc.ram\n\n'),
      /^-:4: is not understood: "/,
    ],
    [
      'the line of a transcript',
      ['mtree', '-'],
      `(qemu) info version\n7\n(qemu) info mtree -f\n${flat('  x\n\n')}`,
      /^-:7: /,
    ],
    ['another text', ['mtree', '-'], 'hello\n', /^-: is no output of 'info mtree'; write what QEMU/],
    [
      'another address space',
      ['mtree', RECORDED, '--address-space', 'ports'],
      '',
      /has no address space "ports"; it has .*"I\/O"/,
    ],
    ['/proc/iomem of a user', ['iomem', '-'], '00000000-00000000 : System RAM\n', /only zeros.*read it as root/],
    ['no such file', ['mtree', '/nowhere/dump'], '', /cannot read -: no such file; give the path of a dump/],
    ['text that is no UTF-8', ['iomem', `${PACKAGE}build/Release/dma_streams.node`], '', /not valid UTF-8/],
  ];
  for (const [title, [kind = '', path = '', ...space], input, message] of BAD) {
    it(`refuses ${title}`, async () => {
      const file = path === '-' ? traces.write('dump', input) : path;
      const error: unknown = await readDump(kind as DumpKind, file, space[1] ?? 'memory').catch(
        (reason: unknown) => reason,
      );
      expect(error).to.be.instanceOf(path === '/nowhere/dump' ? UsageError : TraceError);
      expect((error as Error).message.replace(file, '-')).to.match(message);
    });
  }

  it('ends with 2 and makes no file when the dump is refused, or has no memory, or the kind is unknown', async () => {
    const output = traces.path('none.jsonl');
    for (const [kind, input, message] of [
      ['mtree', flat(''), /^dma-streams: -:3: .*cut short; dump it again/],
      ['mtree', flat('  No rendered FlatView\n\n'), /the dump has no memory/],
      ['lspci', '', /Allowed choices are mtree, iomem/],
    ] as const) {
      const { status, stdout, stderr } = await dmaStreams(['import', kind, '-', '-o', output], { input });
      expect([status, stdout, existsSync(output)]).to.deep.equal([2, '', false]);
      expect(stderr).to.match(message);
    }
  });
});
