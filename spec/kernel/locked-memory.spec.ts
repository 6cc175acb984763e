import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect } from 'chai';
import { findPciDevice } from '../../binding/index.js';
import { BINDING, STREAMS } from '../binding/support/child.js';
import { line, PACKAGE, TemporaryTraces } from '../cli/support/command.js';
import { temporaryRoot } from '../../lab/temporary-folder.js';
import { FIRST, SECOND } from './support/edu.js';

const NOBODY = 65534;
const TARGETS = new URL('../../targets/index.js', import.meta.url).href;
const MAIN = `${PACKAGE}dist/cli/main.js`;
const KILOBYTE = 1024;

/** A program that has some rows of memory, each of so many KiB, and what it takes to give them to devices. */
function program(rows: readonly number[], rest: string): string {
  return `
    import { readFileSync } from 'node:fs';
    import { AddressSpace, Memfd } from ${JSON.stringify(BINDING)};
    import { MemoryRange, RegionManager } from ${JSON.stringify(STREAMS)};
    import { AssignedDevices } from ${JSON.stringify(TARGETS)};
    const space = new AddressSpace({ size: 1n << 34n });
    const manager = new RegionManager({ vaMapper: space });
    const memfd = Memfd.create('ram', 8n << 20n);
    await manager.transaction((edit) => {
      ${JSON.stringify(rows)}.forEach((kilobytes, index) => {
        const range = MemoryRange.ofLength((index + 1) * 0x1000000, kilobytes * 1024);
        const region = edit.addRegion({ name: 'row ' + index, range, type: 'ram' });
        const rangeInRegion = MemoryRange.ofLength(0, kilobytes * 1024);
        edit.addMapping(region, { rangeInRegion, backing: { mappable: memfd, fileOffset: 0n }, writable: true });
        edit.map(region, { writable: true });
      });
    });
    const pinned = () => [...readFileSync('/proc/self/status', 'utf8').matchAll(/^Vm(?:Lck|Pin):\\s+(\\d+)/gm)].map((m) => Number(m[1]));
    const tell = (error) => {
      const { code, request, region, target, hint, message } = error;
      console.log(JSON.stringify({ code, request, region, target, hint, message, undone: error.undone?.length, pinned: pinned() }));
    };
    const assigned = new AssignedDevices(manager, { by: 'va' });
    ${rest}`;
}

/** The shell that lowers the limit, in KiB; as a user without capabilities. */
const limited = (kilobytes: number, source: string): [string, string[]] => [
  'sh',
  ['-c', `ulimit -l ${kilobytes} && exec "$0" --input-type=module -e "$1"`, process.execPath, source],
];

interface Told {
  readonly code: string;
  readonly request: string;
  readonly region: string;
  readonly hint: string;
  readonly message: string;
  readonly undone: number;
  readonly pinned: readonly number[];
}

function run(kilobytes: number, source: string): Told {
  const [command, args] = limited(kilobytes, source);
  const { stdout, stderr, status } = spawnSync(command, args, { uid: NOBODY, gid: NOBODY, encoding: 'utf8' });
  expect(status, stderr).to.equal(0);
  return JSON.parse(stdout) as Told;
}

describe('the limit of locked memory, for a user without CAP_IPC_LOCK', function () {
  this.timeout(120_000);

  const files = (): string[] => [
    '/dev/iommu',
    ...[FIRST, SECOND].flatMap((address) => {
      const { iommuGroup, vfioNumber } = findPciDevice(address);
      return [`/dev/vfio/${String(iommuGroup)}`, `/dev/vfio/devices/vfio${String(vfioNumber)}`];
    }),
  ];
  before(() => {
    files().forEach((file) => {
      chownSync(file, NOBODY, NOBODY);
    });
  });
  after(() => {
    files().forEach((file) => {
      chownSync(file, 0, 0);
    });
  });

  for (const [through, request] of [
    ['type1', 'VFIO_IOMMU_MAP_DMA'],
    ['iommufd', 'IOMMU_IOAS_MAP'],
  ] as const) {
    it(`${through}: what cannot fit into 1 MiB is refused before the first map, with limit, use and row`, () => {
      const told = run(
        1024,
        program(
          [512, 768, 768],
          `try { await assigned.add('${FIRST}', { through: '${through}' }); } catch (error) { tell(error); }`,
        ),
      );
      expect(told).to.include({ code: 'ENOMEM', request, region: 'row 1', undone: 0 });
      expect(told.message).to.contain('0x2000000-0x20c0000');
      expect(told.hint).to.match(
        /limit of locked memory is 1048576 bytes, 0 are used, 2097152 more are needed: raise it to 3145728 bytes/,
      );
      expect(told.hint).to.match(/ulimit -l.*LimitMEMLOCK=.*--ulimit memlock=3145728 .*CAP_IPC_LOCK/);
      expect(told.pinned).to.deep.equal([0, 0]);
    });

    it(`${through}: what fits is mapped, and a command that does not fit later is undone`, () => {
      const told = run(
        1024,
        program(
          [512, 256],
          `await assigned.add('${FIRST}', { through: '${through}' });
          const before = Math.max(...pinned());
          const region = await manager.addRegion({ name: 'more', range: MemoryRange.ofLength(0x8000000, 0x100000), type: 'ram' });
          await region.map({ writable: true });
          const rangeInRegion = MemoryRange.ofLength(0, 0x100000);
          try {
            await region.addMapping({ rangeInRegion, backing: { mappable: memfd, fileOffset: 0n }, writable: true });
          } catch (error) { tell(error); }
          if (Math.max(...pinned()) !== before) throw new Error('not undone');`,
        ),
      );
      expect(told).to.include({ code: 'ENOMEM', request, region: 'more' });
      expect(told.hint).to.match(/is 1048576 bytes, 786432 are used, 1048576 more are needed/);
      expect(Math.max(...told.pinned)).to.equal(768);
    });
  }

  it("iommufd: the kernel's ENOMEM, where another process of the user has pinned, has the hint, and all is undone", async () => {
    // The kernel counts for the user, and tells each process its own share alone: the preflight cannot see it.
    const [command, args] = limited(
      1024,
      program(
        [768],
        `await assigned.add('${FIRST}', { through: 'iommufd' }); console.log('in'); setInterval(() => 0, 1000);`,
      ),
    );
    const other = spawn(command, args, { uid: NOBODY, gid: NOBODY, stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      await once(other.stdout, 'data');
      const told = run(
        1024,
        program(
          [128, 512],
          `try { await assigned.add('${SECOND}', { through: 'iommufd' }); } catch (error) { tell(error); }`,
        ),
      );
      expect(told).to.include({ code: 'ENOMEM', request: 'IOMMU_IOAS_MAP', region: 'row 1', undone: 1 });
      expect(told.message).to.contain('0x2000000-0x2080000');
      expect(told.hint).to.match(/limit of locked memory is 1048576 bytes.*other processes of this user/);
      expect(told.pinned).to.deep.equal([0, 0]);
    } finally {
      other.kill('SIGKILL');
      await once(other, 'exit');
    }
  });

  for (const target of [`vfio:${FIRST}`, `iommufd:${SECOND}`]) {
    it(`${target}: a replay that is given the limit of the hint runs to its end, its DMA check included`, () => {
      using traces = new TemporaryTraces();
      chmodSync(temporaryRoot(), 0o755);
      const trace = traces.write('two-rows.jsonl', [
        line({ start: '0x0', end: '0x300000', name: 'low' }),
        line({ start: '0x100000000', end: '0x100300000', name: 'high' }),
      ]);
      chmodSync(dirname(trace), 0o755);
      const replay = (kibibytes: number): { status: number | null; text: string } => {
        const { status, stdout, stderr } = spawnSync(
          'sh',
          [
            '-c',
            `ulimit -l ${kibibytes} && exec "$0" "$@"`,
            process.execPath,
            MAIN,
            'replay',
            trace,
            '--target',
            target,
          ],
          { uid: NOBODY, gid: NOBODY, encoding: 'utf8', env: { ...process.env, COLUMNS: '200' } },
        );
        return { status, text: `${stdout}${stderr}`.replace(/\s+/g, ' ') };
      };
      const refused = replay(2048);
      expect(refused.status, refused.text).to.equal(1);
      const advised = /`ulimit -l (\d+)`/.exec(refused.text)?.[1];
      expect(advised, refused.text).not.to.equal(undefined);
      const { status, text } = replay(Number(advised));
      expect(status, text).to.equal(0);
      expect(text).to.contain('all passed');
    });
  }

  it("type1: the kernel's own ENOMEM, past the preflight", () => {
    const told = run(
      1024,
      program(
        [],
        `const { VfioContainer, VfioGroup } = await import(${JSON.stringify(BINDING)});
        const { VfioType1Target } = await import(${JSON.stringify(TARGETS)});
        const container = VfioContainer.open();
        const group = VfioGroup.forDevice('${FIRST}');
        container.addGroup(group);
        const target = new VfioType1Target(container);
        const range = MemoryRange.ofLength(0x1000000, ${1028 * KILOBYTE});
        const change = { range, region: 'row', type: 'ram', writable: true, backing: { mappable: memfd, fileOffset: 0n } };
        const hostVa = space.ensureMapped(change);
        try { await target.mapDma({ ...change, ...change.backing, hostVa }); } catch (error) { tell(error); }`,
      ),
    );
    expect(told).to.include({ code: 'ENOMEM', request: 'VFIO_IOMMU_MAP_DMA', region: 'row' });
    expect(told.hint).to.match(/limit of locked memory is 1048576 bytes, 0 are used, 1052672 more are needed/);
    expect(told.pinned).to.deep.equal([0, 0]);
  });
});
