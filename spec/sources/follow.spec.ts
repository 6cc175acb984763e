import { readdirSync, readlinkSync } from 'node:fs';
import { expect } from 'chai';
import { Subject } from 'rxjs';
import { followSections } from '../../sources/follow.js';
import type { Section } from '../../sources/index.js';
import { MemoryRange, RegionManager } from '../../streams/index.js';
import { RecordingTarget } from '../../testing/index.js';

const section = (start: number, end: number, name: string, kind = 'ram', offset = 0): Section => ({
  ...{ start: BigInt(start), end: BigInt(end), name, kind, offset: BigInt(offset) },
});

const BELOW = section(0, 0xa0000, 'followed-ram');
const ROM = section(0xc0000, 0xe0000, 'followed-rom', 'rom', 0x20000);
const BAR = section(0xfd000000, 0xfe000000, 'followed-bar', 'ramd');

/** Files in memory that this process has open, by their names. */
function openFiles(): string[] {
  return readdirSync('/proc/self/fd')
    .map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        return '';
      }
    })
    .filter((path) => path.startsWith('/memfd:followed-'));
}

describe('follow', () => {
  let sections$: Subject<readonly Section[]>;
  let manager: RegionManager;
  let target: RecordingTarget;

  beforeEach(async () => {
    sections$ = new Subject();
    manager = new RegionManager();
    target = new RecordingTarget({ name: 'target' });
    await manager.attach(target);
  });
  afterEach(() => manager.close());

  /** Waits until all transactions have ended. */
  async function become(sections: readonly Section[]): Promise<void> {
    sections$.next(sections);
    await manager.transaction(() => undefined);
    await new Promise(setImmediate);
  }

  it('makes each difference one transaction, and leaves alone what stays', async () => {
    const following = followSections(sections$, manager);
    sections$.next([BELOW, section(0xa0000, 0xc0000, 'vga', 'i/o'), ROM]);
    const followed = await following;
    const maps = target.requests.map(({ range, writable, fileOffset }) => [range.toString(), writable, fileOffset]);
    expect(maps).to.deep.equal([
      ['0x0-0xa0000', true, 0n],
      ['0xc0000-0xe0000', false, 0x20000n],
    ]);
    const generation = manager.snapshot().generation;
    await become([BELOW, BAR]);
    expect(manager.snapshot().generation).to.equal(generation + 1);
    expect(target.heldRequests().map(({ range, type }) => [range.toString(), type])).to.deep.equal([
      ['0x0-0xa0000', 'ram'],
      ['0xfd000000-0xfe000000', 'device'],
    ]);
    expect(target.requests).to.have.length(3);
    expect(openFiles()).to.have.length(2);
    sections$.complete();
    await followed.ended;
    expect(target.held()).to.have.length(2);
    await followed.close();
    expect(target.held()).to.deep.equal([]);
    expect(openFiles()).to.deep.equal([]);
  });

  it('shares the bytes of a memory region; a part beyond its file gets a larger file', async () => {
    const following = followSections(sections$, manager);
    sections$.next([section(0, 0x1000, 'followed-ram'), section(0x8000, 0x9000, 'followed-ram')]);
    await using followed = await following;
    await become([section(0, 0x1000, 'followed-ram'), section(0x8000, 0x9000, 'followed-ram', 'ram', 0x5000)]);
    const [first, second, third] = target.requests;
    expect(first?.mappable).to.equal(second?.mappable);
    expect(third?.mappable).to.not.equal(first?.mappable);
    expect(target.violations).to.deep.equal([]);
    await become([]);
    expect(openFiles()).to.deep.equal([]);
    expect(followed.ended).to.be.a('promise');
  });

  it('maps whole pages alone, and nothing of memory whose pages are not those of its region', async () => {
    const following = followSections(sections$, manager);
    sections$.next([
      section(0x800, 0x3800, 'followed-odd', 'ram', 0x1800),
      section(0x8000, 0xa000, 'followed-shifted', 'ram', 0x800),
      section(0xb000, 0xb800, 'followed-small'),
    ]);
    await using followed = await following;
    expect(target.requests.map(({ range, fileOffset }) => [range.toString(), fileOffset])).to.deep.equal([
      ['0x1000-0x3000', 0x2000n],
    ]);
    expect(followed.ended).to.be.a('promise');
  });

  it('rejects, and leaves nothing, when the first state cannot be had', async () => {
    const failed = followSections(sections$, manager);
    sections$.error(new Error('QEMU hangs'));
    expect(await failed.catch(String)).to.equal('Error: QEMU hangs');
    const nothing$ = new Subject<readonly Section[]>();
    const empty = followSections(nothing$, manager);
    nothing$.complete();
    expect(await empty.catch(String)).to.match(/QEMU has ended before its memory map was read/);
    const other = await manager.addRegion({ name: 'other', range: MemoryRange.of(0, 0x10000), type: 'ram' });
    await other.map({ writable: true });
    const refused$ = new Subject<readonly Section[]>();
    const refused = followSections(refused$, manager);
    refused$.next([section(0x1000, 0x2000, 'followed-ram')]);
    expect(await refused.catch(String)).to.match(/overlap/i);
    expect(openFiles()).to.deep.equal([]);
  });

  it('ends with the error of a transaction, and keeps the regions of the one before', async () => {
    const following = followSections(sections$, manager);
    sections$.next([BELOW]);
    const followed = await following;
    target.failRange(MemoryRange.of(ROM.start, ROM.end));
    sections$.next([ROM]);
    expect(await followed.ended.catch(String)).to.match(/DmaMapError/);
    target.clearFailures();
    expect(target.held()).to.have.length(1);
    await followed.close();
    expect(target.held()).to.deep.equal([]);
    expect(openFiles()).to.deep.equal([]);
  });
});
