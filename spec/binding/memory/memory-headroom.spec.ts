import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { memoryHeadroom } from '../../../binding/memory/memory-headroom.js';
import { temporaryFolder } from '../../../lab/temporary-folder.js';

describe('memoryHeadroom', () => {
  let root: string;

  beforeEach(() => {
    root = temporaryFolder('dma-streams-headroom-');
  });

  afterEach(() => {
    rmSync(root, { recursive: true });
  });

  /** Writes files of the fake machine. */
  function files(contents: Readonly<Record<string, string>>): void {
    for (const [path, text] of Object.entries(contents)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), `${text}\n`);
    }
  }

  const MEMINFO = 'MemTotal:       1000 kB\nMemAvailable:    800 kB\nSwapFree:        100 kB';

  it('is what the machine has left, with swap, where no cgroup limits it', () => {
    files({
      'proc/meminfo': MEMINFO,
      'proc/self/cgroup': '0::/user.slice',
      'sys/fs/cgroup/user.slice/memory.max': 'max',
    });
    expect(memoryHeadroom(root)).to.deep.equal({ bytes: 900n << 10n });
  });

  it('is the least that a cgroup leaves, of its own and those above; page cache counts as free, shared memory does not', () => {
    files({
      'proc/meminfo': MEMINFO,
      'proc/self/cgroup': '0::/vms/one',
      'sys/fs/cgroup/vms/one/memory.max': 'max',
      'sys/fs/cgroup/vms/memory.max': `${500 << 10}`,
      'sys/fs/cgroup/vms/memory.current': `${400 << 10}`,
      'sys/fs/cgroup/vms/memory.stat': `anon 1\nfile ${300 << 10}\nshmem ${200 << 10}`,
    });
    expect(memoryHeadroom(root)).to.deep.equal({ bytes: 300n << 10n, cgroup: join(root, 'sys/fs/cgroup/vms') });
  });

  it('knows version 1, also in a container, where only the root of the container is to be seen', () => {
    files({
      'proc/meminfo': MEMINFO,
      'proc/self/cgroup': '9:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n0::/',
      'sys/fs/cgroup/memory/memory.limit_in_bytes': `${600 << 10}`,
      'sys/fs/cgroup/memory/memory.usage_in_bytes': `${100 << 10}`,
      'sys/fs/cgroup/memory/memory.stat': `cache 0\ntotal_cache ${50 << 10}\ntotal_shmem ${50 << 10}`,
    });
    expect(memoryHeadroom(root)).to.deep.equal({ bytes: 600n << 10n, cgroup: join(root, 'sys/fs/cgroup/memory') });
  });

  it('can be negative, and unknown', () => {
    files({
      'proc/meminfo': 'nothing',
      'proc/self/cgroup': '0::/',
      'sys/fs/cgroup/memory.max': '0',
      'sys/fs/cgroup/memory.current': '4096',
    });
    expect(memoryHeadroom(root)?.bytes).to.equal(-4096n);
    expect(memoryHeadroom(join(root, 'nowhere'))).to.equal(undefined);
  });
});
