import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect } from 'chai';
import { dmaStreams, MAIN, TemporaryTraces } from './support/command.js';

const LINES = 100_000;
const LIVE = 500;

describe('a trace of 100,000 lines', function () {
  this.timeout(120_000);

  let traces: TemporaryTraces;
  let path: string;
  before(() => {
    traces = new TemporaryTraces();
    path = traces.write('long.jsonl', rolling());
  });
  after(() => {
    traces[Symbol.dispose]();
  });

  it('is replayed in reasonable time, to a short report', async () => {
    const began = performance.now();
    const { status, stdout, stderr } = await dmaStreams(['replay', path]);
    expect(performance.now() - began).to.be.lessThan(60_000);
    expect(stdout.length).to.be.lessThan(20_000);
    expect(stdout.split('\n').length).to.be.lessThan(200);
    expect(stdout).to.match(/⋮ {2}[\d,]+ more commits, /);
    expect(stdout).to.match(/✓ All 50,250 commits reached all 3 targets/);
    expect(stderr).to.equal('');
    expect(status).to.equal(0);
  });

  it('tells every call in JSON', async () => {
    const { status, stdout } = await dmaStreams(['replay', path, '--json', '--target', 'log']);
    const lines = stdout.trimEnd().split('\n');
    expect(lines.length).to.equal(LINES + 50_250 + 1);
    expect(lines.filter((text) => text.includes('"op":"map"'))).to.have.length(LINES / 2 + LIVE / 2);
    expect(status).to.equal(0);
  });

  it('ends quietly when whoever reads has seen enough', async () => {
    const child = spawn(process.execPath, [MAIN, 'replay', path, '--json', '--target', 'log']);
    let complaints = '';
    child.stderr.on('data', (chunk: Buffer) => {
      complaints += chunk.toString();
    });
    await once(child.stdout, 'data');
    child.stdout.destroy();
    const [status, signal] = (await once(child, 'exit')) as [number | null, string | null];
    expect(complaints).to.equal('');
    expect([status, signal]).to.deep.equal([0, null]);
  });

  it('fails where it goes beyond what a target can hold, with everything undone', async () => {
    const lines = Array.from({ length: 65_536 }, (_, index) => ({ ...section(index), ms: 0, commit: 0, op: 'add' }));
    const args = ['replay', traces.write('full.jsonl', lines), '--target', 'soft', '--json'];
    const { status, stdout, stderr } = await dmaStreams(args);
    const [failed, ...others] = stdout.split('\n').filter((text) => text.includes('"failed":"'));
    expect(failed).to.match(/"op":"map","range":"0x1fffe000-0x1ffff000",.*"failed":"ENOSPC"}$/);
    expect(others).to.deep.equal([]);
    expect(stdout.trimEnd().split('\n').at(-1)).to.match(
      /^{"op":"summary","mappings":\[],"targets":\[{"name":"soft","maps":65535,"unmaps":65535,"failed":1}],"dma":{"checked":0,"failed":0},"failures":\[{"commit":0,"tookEffect":false,/,
    );
    expect(stderr).to.match(/^dma-streams: commit 0 failed: ENOSPC: 65535 of 65535 entries are in use.*; map fewer/);
    expect(status).to.equal(1);
  });

  it('may name more memory blocks, one after the other, than a process may have files', async () => {
    const lines = Array.from({ length: 2000 }, (_, index) => {
      const { start, end, kind } = section(0);
      const block = { start, end, kind, offset: '0x0', name: `block${index}`, ms: 0 };
      return [
        { ...block, commit: index, op: 'add' },
        { ...block, commit: index + 1, op: 'remove' },
      ];
    });
    const path = traces.write('blocks.jsonl', lines.flat().sort(byCommit));
    const { status, stdout } = await dmaStreams(['replay', path, '--quiet'], { openFiles: 200 });
    expect(stdout).to.match(/^✓ All 2,001 commits reached all 3 targets/);
    expect(status).to.equal(0);
  });

  it('says so when it names more at a time', async () => {
    const lines = Array.from({ length: 300 }, (_, index) => ({
      ...section(index),
      name: `block${index}`,
      ms: 0,
      commit: 0,
      op: 'add',
    }));
    const { status, stdout, stderr } = await dmaStreams(['replay', traces.write('files.jsonl', lines), '--json'], {
      openFiles: 200,
    });
    expect(stderr).to.match(
      /^dma-streams: EMFILE: no file descriptor for memory block "block\d+": 1\d\d blocks are open; .*ulimit -n\n$/,
    );
    expect(stdout).to.equal('');
    expect(status).to.equal(1);
  });

  it('is drawn short when all of it is there at the end, in one commit: more than an AddressSpace could map', async () => {
    const lines = Array.from({ length: 30_000 }, (_, index) => ({ ...section(index), ms: 0, commit: 0, op: 'add' }));
    const { status, stdout } = await dmaStreams(['replay', traces.write('wide.jsonl', lines)]);
    expect(stdout.split('\n').length).to.be.lessThan(150);
    expect(stdout).to.match(/and 29,988 more calls/);
    expect(stdout).to.match(/[\d,]+ mappings {2}/);
    expect(stdout).to.match(/✓ The commit reached all 3 targets, and the DMA check passed/);
    expect(status).to.equal(0);
  });
});

function byCommit(a: { readonly commit: number }, b: { readonly commit: number }): number {
  return a.commit - b.commit;
}

/** Sections come one by one, and from the 500th on the oldest goes in the same commit; at last half of them go. */
function rolling(): object[] {
  const lines: object[] = [];
  let commit = 0;
  let oldest = 0;
  for (let index = 0; lines.length < LINES; index++, commit++) {
    lines.push({ ms: index, commit, op: 'add', ...section(index) });
    if (index >= LIVE && lines.length < LINES) {
      lines.push({ ms: index, commit, op: 'remove', ...section(oldest++) });
    }
  }
  return lines;
}

/** Neighbours differ in their block, so that no two make one mapping. */
function section(index: number): Record<'start' | 'end' | 'name' | 'kind' | 'offset', string> {
  const start = index * 0x2000;
  return {
    start: `0x${start.toString(16)}`,
    end: `0x${(start + 0x1000).toString(16)}`,
    name: `ram${index % 7}`,
    kind: index % 5 === 0 ? 'rom' : 'ram',
    offset: `0x${((index % 1000) * 0x1000).toString(16)}`,
  };
}
