import { readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { runChild } from '../binding/support/child.js';

const VM = '/proc/sys/vm';
/** So much of a memfd can be had below; of 64 MiB. */
const HEADROOM = 32;

/** What the programs share: a memfd of 64 MiB at guest address 0, and what can be made strict. */
const PRELUDE = `
  const { writeFileSync } = await import('node:fs');
  const { AddressSpace, Memfd } = await import(BINDING);
  const { MemoryRange } = await import(STREAMS);
  const SIZE = 64 << 20;
  const attempt = (work) => {
    try { work(); return 'done'; } catch (error) { return [error.code, error.message, error.hint].join(' | '); }
  };
  const lookAgain = () => sleep(30);
  const committed = () => Number(/^Committed_AS:\\s+(\\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))[1]);
  const strict = () => {
    writeFileSync('${VM}/user_reserve_kbytes', '0');
    writeFileSync('${VM}/overcommit_kbytes', String(committed() + (${HEADROOM} << 10)));
    writeFileSync('${VM}/overcommit_memory', '2');
  };
  const lax = () => writeFileSync('${VM}/overcommit_memory', '0');
  const ones = Buffer.alloc(SIZE, 1);
  const space = new AddressSpace({ size: 1n << 30n });
  const map = (backing, start = 0) =>
    space.ensureMapped({ range: MemoryRange.ofLength(start, SIZE), region: 'r', type: 'ram', writable: true, backing });
`;

describe('under strict commit (vm.overcommit_memory = 2)', () => {
  const settings = ['overcommit_memory', 'overcommit_kbytes', 'overcommit_ratio', 'user_reserve_kbytes'];
  let before: string[];

  beforeEach(() => {
    before = settings.map((name) => readFileSync(`${VM}/${name}`, 'utf8'));
  });

  afterEach(() => {
    settings.forEach((name, index) => {
      writeFileSync(`${VM}/${name}`, before[index] ?? '');
    });
  });

  it('read and write of a memfd are EFAULT where a page cannot be had, with a hint, and end nothing', () => {
    const result = runChild(`${PRELUDE}
      map({ mappable: Memfd.create('ram', BigInt(SIZE)), fileOffset: 0n });
      strict();
      const said = [attempt(() => space.write(0n, ones)), attempt(() => space.read(BigInt(SIZE) - 1n, 1))];
      const kept = space.read(0n, 1)[0];
      lax();
      console.log(said.join('\\n'));
      console.log(kept, attempt(() => space.write(0n, ones)));
      console.log(space.read(BigInt(SIZE) - 1n, 1)[0]);`);
    expect(result).to.include({ status: 0, signal: null }, result.stderr);
    const [written, read, ...after] = result.stdout.split('\n');
    for (const said of [written, read]) {
      expect(said).to.match(
        /^EFAULT \| .*the kernel commits no more memory \(vm.overcommit_memory is 2\) \| .*CommitLimit/,
      );
    }
    expect(after).to.deep.equal(['1 done', '1']);
  });

  it('the same when the setting changes after the memory was used', () => {
    const result = runChild(`${PRELUDE}
      map({ mappable: Memfd.create('ram', BigInt(SIZE)), fileOffset: 0n });
      space.write(0n, Buffer.from('x'));
      strict();
      await lookAgain();
      const said = attempt(() => space.write(0n, ones)).split(' |')[0];
      lax();
      console.log(said);`);
    expect(result).to.include({ status: 0, signal: null, stdout: 'EFAULT' }, result.stderr);
  });

  it('create() with reserve, and reserve(), fail early with a hint, and leave nothing behind', () => {
    const result = runChild(`${PRELUDE}
      const descriptors = () => readdirSync('/proc/self/fd').length;
      const before = descriptors();
      const lazy = Memfd.create('lazy', BigInt(SIZE));
      strict();
      const said = [attempt(() => Memfd.create('ram', BigInt(SIZE), { reserve: true }))];
      const small = Memfd.create('small', 24n << 20n, { reserve: true });
      small.close();
      await lazy.reserve().catch((error) => said.push(attempt(() => { throw error; })));
      lax();
      lazy.close();
      console.log([...said, descriptors() - before].join('\\n'));`);
    expect(result).to.include({ status: 0, signal: null }, result.stderr);
    const [created, reserved, left] = result.stdout.split('\n');
    for (const said of [created, reserved]) {
      expect(said).to.match(
        /^ENOSPC \| .*the kernel commits no more memory \(vm.overcommit_memory is 2\), fallocate \| .*CommitLimit/,
      );
    }
    expect(left).to.equal('0');
  });

  it('private memory is refused when it is mapped, and never later', () => {
    const result = runChild(`${PRELUDE}
      map('private');
      strict();
      map('private', 2 * SIZE);
      lax();`);
    expect(result.stderr).to.contain('ENOMEM');
    const touched = runChild(`${PRELUDE}
      map('private');
      strict();
      const said = [attempt(() => space.write(0n, ones)), attempt(() => space.view(MemoryRange.of(0, SIZE)).fill(2))];
      lax();
      console.log(said.join());`);
    expect(touched).to.include({ status: 0, signal: null, stdout: 'done,done' }, touched.stderr);
  });
});
