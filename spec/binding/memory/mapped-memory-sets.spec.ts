import { closeSync, openSync } from 'node:fs';
import { expect } from 'chai';
import { type MappedMemory, Memfd } from '../../../binding/index.js';
import { resolveHostVa } from '../../../binding/memory/host-va.js';
import {
  type DmaError,
  MemoryRange,
  type HostVa,
  type MapChange,
  type ReleaseFailure,
} from '../../../streams/index.js';
import { FaultPlan } from '../../streams/support/faults.js';
import { FaultyNative } from '../../support/faulty-native.js';
import { ram } from '../support/changes.js';
import { memfdAreas } from '../support/descriptors.js';
import { MAPPERS } from '../support/mappers.js';
import { attempt, codeOf } from '../support/outcomes.js';
import { LENGTH, numbered } from '../support/numbered-file.js';
import { dmaError } from '../support/thrown.js';
import { transferred } from '../support/transferred.js';

const PAGE = 0x1000;
/** Neither class maps it. */
const BEYOND = MemoryRange.of(2n ** 64n - 0x1000n, 2n ** 64n);

for (const mapper of MAPPERS) {
  describe(`Sets: ${mapper.name}`, () => {
    let space: MappedMemory;
    let memfd: Memfd;
    const label = `set ${mapper.name}`;

    beforeEach(() => {
      space = mapper.make();
      memfd = Memfd.create(label, BigInt(LENGTH * PAGE));
      numbered(memfd.fd);
    });

    afterEach(() => {
      space.close();
      memfd.close();
    });

    /** Every other page, from the first on. */
    function scattered(count: number): MapChange[] {
      return Array.from({ length: count }, (_, index) =>
        ram(index * 2 * PAGE, (index * 2 + 1) * PAGE, memfd, { fileOffset: BigInt((index % LENGTH) * PAGE) }),
      );
    }

    function rangesOf(changes: readonly MapChange[]): MemoryRange[] {
      return changes.map(({ range }) => range);
    }

    describe('ensureMappedBatch', () => {
      it('gives each its address, and the same ones again', () => {
        const changes = scattered(5);
        const vas = space.ensureMappedBatch(changes) as HostVa[];
        expect(vas.map((va) => resolveHostVa(va).range)).to.deep.equal(rangesOf(changes));
        expect(changes.map(({ range }) => space.read(range.start, 1)[0])).to.deep.equal([0, 1, 2, 3, 4]);
        const again = space.ensureMappedBatch(changes);
        again.forEach((va, index) => expect(va).to.equal(vas[index]));
        expect(space.ensureMapped(changes[2] as MapChange)).to.equal(vas[2]);
        expect(space.ensureMappedBatch([])).to.deep.equal([]);
      });

      it('maps what adjoins in the space and in the file as one; each can be released by itself', () => {
        const pieces = [0, 1, 2].map((page) =>
          ram(page * PAGE, (page + 1) * PAGE, memfd, { fileOffset: BigInt((page + 4) * PAGE) }),
        );
        expect(space.ensureMappedBatch(pieces).map(codeOf)).to.deep.equal(['ok', 'ok', 'ok']);
        expect(memfdAreas(label)).to.have.length(1);
        expect(space.mappedRanges()).to.deep.equal(rangesOf(pieces));
        space.release(MemoryRange.of(PAGE, 2 * PAGE));
        expect([0n, 1n, 2n].map((page) => codeOf(attempt(() => space.read(page << 12n, 1))))).to.deep.equal([
          'ok',
          'EFAULT',
          'ok',
        ]);
        expect(space.read(BigInt(2 * PAGE), 1)[0]).to.equal(6);
      });

      it('names each that fails, as ensureMapped would, and makes the others', () => {
        using closed = Memfd.create('closed', 0x1000n);
        closed.close();
        const device = openSync('/dev/null', 'r+');
        const throwing = {
          label: 'throwing',
          get fd(): number {
            throw 'no fd';
          },
        };
        const changes: readonly [unknown, string][] = [
          [ram(0, PAGE, memfd), 'ok'],
          [ram(0, PAGE, memfd), 'ok'],
          [ram(0, PAGE, memfd, { fileOffset: 0x1000n }), 'EEXIST'],
          [ram(2 * PAGE, 3 * PAGE, memfd, { fileOffset: BigInt(LENGTH * PAGE) }), 'EFAULT'],
          [ram(4 * PAGE, 5 * PAGE, closed), 'ERR_CLOSED'],
          [ram(6 * PAGE, 7 * PAGE), 'ok'],
          [ram(8 * PAGE, 9 * PAGE, { fd: device, label: 'null' }), 'ENODEV'],
          [ram(8 * PAGE, 9 * PAGE, { fd: 0x7fff_ffff, label: 'nothing' }), 'EBADF'],
          [ram(8 * PAGE, 9 * PAGE, throwing), 'ERR_VA_MAPPER'],
          [ram(8 * PAGE, 9 * PAGE, memfd, { fileOffset: 1n }), 'EINVAL'],
          [ram(8 * PAGE, 9 * PAGE, memfd, { fileOffset: (1n << 60n) + 1n }), 'EINVAL'],
          [ram(8 * PAGE, 9 * PAGE, memfd, { fileOffset: 1n << 60n }), 'EFAULT'],
          [ram(8 * PAGE, 9 * PAGE, memfd, { fileOffset: 1n << 63n }), 'EINVAL'],
          [{ ...ram(0, PAGE, memfd), range: BEYOND }, 'ERR_BEYOND_ADDRESS_SPACE'],
          [{ ...ram(0, PAGE), range: undefined }, 'TypeError'],
          [null, 'TypeError'],
          [ram(10 * PAGE, 11 * PAGE, memfd), 'ok'],
        ];
        const answers = space.ensureMappedBatch(changes.map(([change]) => change as MapChange));
        expect(answers.map(codeOf)).to.deep.equal(changes.map(([, code]) => code));
        expect((answers[2] as DmaError).message).to.contain('0x0-0x1000');
        expect((answers[3] as DmaError).hint).to.contain('Make the file longer');
        expect(answers[1]).to.equal(answers[0]);
        expect(space.mappedRanges().map(String)).to.deep.equal(['0x0-0x1000', '0x6000-0x7000', '0xa000-0xb000']);
        closeSync(device);
      });

      it('refuses what is no array, and a space that is closed, also by a getter in the middle', () => {
        expect(() => space.ensureMappedBatch('none' as never)).to.throw(TypeError, 'changes');
        const closing = {
          label: 'closing',
          get fd(): number {
            space.close();
            return memfd.fd;
          },
        };
        const changes = [ram(0, PAGE, memfd), ram(2 * PAGE, 3 * PAGE, closing), ram(4 * PAGE, 5 * PAGE)];
        expect(dmaError(() => space.ensureMappedBatch(changes)).code).to.equal('ERR_CLOSED');
        expect(dmaError(() => space.ensureMappedBatch(changes)).code).to.equal('ERR_CLOSED');
        expect(memfdAreas(label)).to.have.length(0);
      });

      it('may be called by a getter of a set that is under way', () => {
        const inner = scattered(4).map((change) => ({ ...change, range: change.range.shift(0x10_0000n) }));
        const busy = {
          label: 'busy',
          get fd(): number {
            space.ensureMappedBatch(inner);
            return memfd.fd;
          },
        };
        const answers = space.ensureMappedBatch([...scattered(3), ram(0x9000, 0xa000, busy)]);
        expect(answers.map(codeOf)).to.deep.equal(['ok', 'ok', 'ok', 'ok']);
        expect([0, 0x2000, 0x4000].map((at) => space.read(BigInt(at), 1)[0])).to.deep.equal([0, 1, 2]);
        expect(space.mappedRanges()).to.have.length(8);
      });

      it('fails as a whole when the call does, and nothing is held', () => {
        const answers = withFault('addressSpaceMapRows', () => space.ensureMappedBatch(scattered(3)));
        expect(answers.map(codeOf)).to.deep.equal(['ENOMEM', 'ENOMEM', 'ENOMEM']);
        expect(space.ensureMappedBatch(scattered(3)).map(codeOf)).to.deep.equal(['ok', 'ok', 'ok']);
      });
    });

    describe('releaseBatch', () => {
      it('takes what it names, and keeps the addresses reserved', () => {
        const others = memfdAreas('dma-streams').length;
        const vas = space.ensureMappedBatch(scattered(6)) as HostVa[];
        void space.releaseBatch(rangesOf(scattered(6)).filter((_, index) => index !== 3));
        expect(space.mappedRanges().map(String)).to.deep.equal(['0x6000-0x7000']);
        expect(vas.map((va) => codeOf(attempt(() => resolveHostVa(va))))).to.deep.equal(
          vas.map((_, index) => (index === 3 ? 'ok' : 'ERR_INVALID_HOST_VA')),
        );
        expect(space.read(0x6000n, 1)[0]).to.equal(3);
        void space.releaseBatch([MemoryRange.of(0, 0x10000)]);
        expect(memfdAreas('dma-streams')).to.have.length(others);
        expect(memfdAreas(label)).to.have.length(0);
        expect(space.releaseBatch([])).to.equal(undefined);
      });

      it('names each that fails, and releases the others', () => {
        space.ensureMappedBatch([ram(0, PAGE, memfd), ram(2 * PAGE, 4 * PAGE, memfd), ram(5 * PAGE, 6 * PAGE)]);
        const beyond = BEYOND;
        const failures = space.releaseBatch([
          MemoryRange.of(0, PAGE),
          MemoryRange.of(3 * PAGE, 4 * PAGE),
          beyond,
          'all' as never,
          MemoryRange.of(4 * PAGE, 7 * PAGE),
        ]) as readonly ReleaseFailure[];
        expect(failures.map(({ range, error }) => `${range} ${codeOf(error)}`)).to.have.members([
          '0x3000-0x4000 EINVAL',
          `${beyond} ERR_BEYOND_ADDRESS_SPACE`,
          'all TypeError',
        ]);
        expect(space.mappedRanges().map(String)).to.deep.equal(['0x2000-0x4000']);
        expect(() => space.releaseBatch(null as never)).to.throw(TypeError, 'ranges');
        space.close();
        expect(dmaError(() => space.releaseBatch([])).code).to.equal('ERR_CLOSED');
      });

      it('empties the views of what goes, and of nothing else', () => {
        space.ensureMappedBatch(scattered(3));
        const views = rangesOf(scattered(3)).map((range) => space.view(range));
        void space.releaseBatch(rangesOf(scattered(2)));
        expect(views.map((view) => view.byteLength)).to.deep.equal([0, 0, PAGE]);
      });

      it('leaves what a transferred buffer reaches alone, also in between', async () => {
        const changes = [0, 1, 2].map((page) => ram(page * PAGE, (page + 1) * PAGE, memfd));
        space.ensureMappedBatch(changes);
        const moved = await transferred(space.view(MemoryRange.of(PAGE, 2 * PAGE)));
        space.release(MemoryRange.of(PAGE, 2 * PAGE));
        void space.releaseBatch([MemoryRange.of(0, PAGE), MemoryRange.of(2 * PAGE, 3 * PAGE)]);
        moved.fill(1);
        expect(moved[5]).to.equal(1);
        expect(space.mappedRanges()).to.deep.equal([]);
      });

      it('that the kernel refuses leaves nothing of the old memory to what comes there next', () => {
        const changes = [ram(0, PAGE), ram(2 * PAGE, 3 * PAGE)];
        const vas = space.ensureMappedBatch(changes) as HostVa[];
        space.write(0n, Buffer.from('secret'));
        const failures = withFault('addressSpaceReleaseRows', () => space.releaseBatch(rangesOf(changes)));
        expect((failures as readonly ReleaseFailure[]).map(({ error }) => codeOf(error))).to.deep.equal([
          'ENOMEM',
          'ENOMEM',
        ]);
        expect(vas.map((va) => codeOf(attempt(() => resolveHostVa(va))))).to.deep.equal(
          Array(2).fill('ERR_INVALID_HOST_VA'),
        );
        expect(space.ensureMappedBatch(changes).map(codeOf)).to.deep.equal(['ok', 'ok']);
        expect(space.read(0n, 6)).to.deep.equal(Buffer.alloc(6));
      });
    });
  });
}

/** Lets the next call of a native function fail. */
function withFault<T>(name: 'addressSpaceMapRows' | 'addressSpaceReleaseRows', use: () => T): T {
  const plan = new FaultPlan();
  const injected = new FaultyNative(plan, { only: [name] });
  plan.arm(0, false);
  try {
    return use();
  } finally {
    injected[Symbol.dispose]();
  }
}
