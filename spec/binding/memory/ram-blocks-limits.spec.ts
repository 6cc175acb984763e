import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { runChild, type ChildResult } from '../support/child.js';

/** What the programs share: a change that maps pages, from `page` on, of a file or, without one, of private memory. */
const PRELUDE = `
  const { Memfd, RamBlocks } = await import(BINDING);
  const { MemoryRange } = await import(STREAMS);
  const { native } = await import(new URL('native.js', BINDING));
  const { openSync, ftruncateSync, unlinkSync, writeSync } = await import('node:fs');
  const blocks = new RamBlocks();
  const change = (page, mappable, offset = 0, pages = 1, writable = true) => ({ range: MemoryRange.ofPages(page, page + pages),
    region: 'r', type: 'ram', writable, backing: mappable === undefined ? 'private' : { mappable, fileOffset: BigInt(offset) * 4096n } });
  const attempt = (work) => { try { work(); return 'done'; } catch (error) { return [error.code, error.message, error.hint].join(' | '); } };
`;

describe('RamBlocks at the limits', () => {
  it('a set of 64 mappings of a known file makes one system call: fstat', function () {
    skipUnderSanitizers(this, 'they make system calls of their own');
    if (spawnSync('strace', ['-V']).status !== 0) {
      console.warn('      NOT RUN: strace is missing (apt-get install strace)');
      this.skip();
    }
    const traced = (work: string): readonly string[] => {
      const result = runChild(
        `${PRELUDE}
        const file = Memfd.create('known', 1n << 20n);
        const other = Memfd.create('other', 1n << 20n);
        const sets = [0, 1, 2, 3].map((set) => Array.from({ length: 64 }, (_, index) => change(set * 1000 + index * 2, file, index, 1, index % 3 > 0)));
        const mixed = [4, 5].map((set) => Array.from({ length: 64 }, (_, index) => change(set * 1000 + index * 2, index % 2 > 0 ? file : other, index)));
        blocks.ensureMappedBatch(mixed[0]);
        for (const set of sets.slice(0, 3)) blocks.ensureMappedBatch(set);
        gc();
        writeSync(2, 'BEGIN');
        ${work}
        writeSync(2, 'END');`,
        // Neither compiled code nor a heap that grows makes calls of its own in between.
        {
          through: ['strace', '-e', 'trace=!futex,sched_yield,mprotect,madvise,brk'],
          flags: ['--jitless', '--expose-gc', '--min-semi-space-size=32'],
        },
      );
      expect(result, result.stderr).to.include({ status: 0 });
      const lines = result.stderr.split('\n');
      const line = (text: string): number => lines.findIndex((one) => one.includes(`write(2, "${text}"`));
      return lines
        .slice(line('BEGIN') + 1, line('END'))
        .map((one) => one.replace(/^.*?([a-z0-9_]+)\(.*/, '$1').replace('newfstatat', 'fstat'));
    };
    expect(traced('blocks.ensureMappedBatch(sets[3]);')).to.deep.equal(['fstat']);
    expect(traced('blocks.ensureMappedBatch(mixed[1]);'), 'one for each file').to.deep.equal(['fstat', 'fstat']);
    expect(traced('blocks.releaseBatch(sets[2].map(({ range }) => range));')).to.deep.equal([]);
  });

  it('1,000,000 mappings of one file are one memory area, and go with close()', () => {
    const result = runChild(`${PRELUDE}
      const file = Memfd.create('million', 1n << 30n);
      for (let page = 0; page < 1_000_000; page += 10_000) {
        const set = Array.from({ length: 10_000 }, (_, index) => change((page + index) * 2, file, (page + index) % 262_144));
        if (blocks.ensureMappedBatch(set).some((answer) => answer instanceof Error)) throw new Error('refused');
      }
      blocks.write(1_999_998n * 4096n, Buffer.from('last'));
      console.log(native().addressSpaceAreas(), blocks.read(BigInt(999_999 % 262_144) * 8192n, 4).toString());
      blocks.close();
      for (let waited = 0; native().addressSpaceAreas() > 0 && waited < 1000; waited++) await sleep(5);
      console.log(native().addressSpaceAreas());`);
    expect(result).to.include({ status: 0, stdout: '1 last\n0' }, result.stderr);
  }).timeout(60_000);

  it('65,530 blocks: an error says what is short and what to do, in a set, too; what there is stays usable', function () {
    if (Number(readFileSync('/proc/sys/vm/max_map_count', 'utf8')) > 200_000) {
      console.warn('      NOT RUN: vm.max_map_count was raised: it would take too long to come near it');
      this.skip();
    }
    const result = runChild(`${PRELUDE}
      const file = Memfd.create('known', 0x2000n);
      const others = [1, 2].map((number) => Memfd.create('other ' + number, 0x1000n));
      blocks.ensureMapped(change(1, file));
      let count = 0;
      let error;
      for (; count < 65_530; count++) {
        try { blocks.ensureMapped(change(10 + count)); } catch (thrown) { error = thrown; break; }
      }
      console.log(count > 50_000, error?.code, error?.message);
      console.log(error?.hint);
      const answers = blocks.ensureMappedBatch([change(2, file), change(3, others[0]), change(4, file, 1), change(5, others[1])]);
      console.log(answers.map((answer) => answer.code ?? 'ok').join());
      blocks.write(4096n, Buffer.from('used'));
      blocks.release(MemoryRange.ofPages(10, 12));
      console.log(blocks.read(8192n, 4).toString(), attempt(() => blocks.ensureMapped(change(3, others[0]))));`);
    expect(result, result.stderr).to.include({ status: 0 });
    const [first, hint, set, last] = result.stdout.split('\n');
    expect(first).to.match(/^true ENOMEM ENOMEM: the mappings of this process use \d+ of 65530 memory areas/);
    expect(hint).to.match(/^Use fewer, larger files: .*sysctl -w vm.max_map_count=1000000$/);
    expect(set).to.equal('ok,ENOMEM,ok,ENOMEM');
    expect(last).to.equal('used done');
  }).timeout(60_000);

  it('a file that cannot be mapped whole, for want of addresses, has several blocks', function () {
    skipUnderSanitizers(this, 'they need more addresses');
    const result = runChild(
      `${PRELUDE}
      const path = '/dev/shm/dma-streams-limited-' + process.pid;
      const fd = openSync(path, 'w+');
      unlinkSync(path);
      ftruncateSync(fd, 2 ** 43);
      const file = { fd, label: 'limited' };
      const last = 2 ** 31 - 1;
      blocks.ensureMapped(change(0, file));
      blocks.ensureMapped(change(1, file, last));
      blocks.ensureMapped(change(2, file, 1));
      blocks.write(4094n, Buffer.from('both ends'));
      console.log(blocks.read(4094n, 9).toString(), native().addressSpaceAreas());
      console.log(attempt(() => blocks.ensureMapped(change(1000, file, 0, 2 ** 30))).split(' |')[0]);`,
      { through: ['prlimit', '--as=200000000000'] },
    );
    expect(result, result.stderr).to.include({ status: 0, stdout: 'both ends 2\nENOMEM' });
  }).timeout(60_000);

  it('a file that would take nearly all addresses of the process has several blocks: the rest of the process goes on', function () {
    skipUnderSanitizers(this, 'they need more addresses');
    const result = runChild(
      `${PRELUDE}
      const used = () => Number(/VmSize:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024;
      const left = () => 20_000_000_000 - used();
      const file = Memfd.create('most', BigInt(left() - (16 << 20)) & ~0xfffn);
      blocks.ensureMapped(change(0, file));
      console.log(left() > 2 ** 30);
      const kept = [];
      for (let count = 0; count < 400; count++) {
        kept.push(new Array(100_000).fill(count));
      }
      console.log('goes on');`,
      { through: ['prlimit', '--as=20000000000'] },
    );
    expect(result, result.stderr).to.include({ status: 0, stdout: 'true\ngoes on' });
  }).timeout(60_000);

  it('huge pages are mapped in sections of 4 KiB, and a page that is punched out is an error', function () {
    const huge = withHugePages(
      3,
      `${PRELUDE}
      const file = Memfd.create('huge', 4n << 20n, { hugePages: '2M' });
      const one = blocks.ensureMapped(change(0xa0, file, 0x1ff, 2));
      const other = blocks.ensureMapped(change(0xc3, file, 0x200, 1, false));
      blocks.write(0xa0ffen, Buffer.from('seam'));
      console.log(blocks.read(0xa0ffen, 4).toString(), blocks.read(0xc3000n, 2).toString(), Number(other.address - one.address),
        native().addressSpaceAreas(), memfdAreas('huge').length);
      console.log(attempt(() => blocks.write(0xc3000n, Buffer.from('x'))).split(' |')[0], attempt(() => blocks.view(MemoryRange.ofPages(0xa0, 0xa1))).split(' |')[0]);
      const { spawnSync } = await import('node:child_process');
      const punched = spawnSync('fallocate', ['--punch-hole', '--offset', '0', '--length', String(2 << 20), '/proc/' + process.pid + '/fd/' + file.fd]);
      // What was given back is taken by others.
      const taken = [];
      for (let full = false; !full; ) {
        try { taken.push(Memfd.create('taken', 2n << 20n, { hugePages: '2M', reserve: true })); } catch { full = true; }
      }
      console.log(punched.status, attempt(() => blocks.read(0xa0000n, 1)).split(' |')[0], taken.length > 0);`,
    );
    if (typeof huge === 'string') {
      console.warn(`      NOT RUN: ${huge}`);
      this.skip();
    }
    expect(huge, huge.stderr).to.include({ status: 0 });
    expect(huge.stdout).to.equal('seam am 4096 1 1\nEACCES EOPNOTSUPP\n0 EFAULT true');
  });
});

function skipUnderSanitizers(context: Mocha.Context, why: string): void {
  if (process.env['LD_PRELOAD']?.includes('asan') === true) {
    console.warn(`      NOT RUN with the sanitizers: ${why}`);
    context.skip();
  }
}

/** Runs a program while there are so many more huge pages; a text says why it could not. */
function withHugePages(count: number, program: string): ChildResult | string {
  const setting = '/proc/sys/vm/nr_hugepages';
  const read = (): number => Number(readFileSync(setting, 'utf8'));
  const before = read();
  try {
    writeFileSync(setting, String(before + count));
  } catch (error) {
    return `huge pages cannot be reserved here (root can): ${(error as Error).message}`;
  }
  try {
    return read() < before + count ? 'the machine has not enough free memory for huge pages' : runChild(program);
  } finally {
    writeFileSync(setting, String(before));
  }
}
