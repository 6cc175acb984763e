import { expect } from 'chai';
import {
  MemoryRange,
  RegionManager,
  type Attachment,
  type MappingParams,
  type Region,
} from '../../../streams/index.js';
import { FakeMappable } from '../../../testing/index.js';
import { StallTarget } from '../../../bench/stalls/target.js';
import { rejectionOf } from '../support/phrases.js';
import { tickingClock } from '../support/ticking-clock.js';

const COUNT = 2000;
const backing = { mappable: new FakeMappable(), fileOffset: 0n };

function page(index: number): MemoryRange {
  return MemoryRange.ofPages(index * 2, index * 2 + 1);
}

function mappingAt(index: number): MappingParams {
  return { rangeInRegion: page(index), backing, writable: true };
}

describe('RegionManager: a reader while a command pauses', () => {
  let manager: RegionManager;
  let region: Region;
  let target: StallTarget;
  let attachment: Attachment;
  let restoreClock: () => void;

  beforeEach(async () => {
    manager = new RegionManager();
    region = await manager.addRegion({ name: 'ram', type: 'ram', range: MemoryRange.ofPages(0, 8 * COUNT) });
    await region.map({ writable: true });
    await manager.transaction((edit) => {
      for (let index = 0; index < COUNT; index++) {
        edit.addMapping(region, mappingAt(index));
      }
    });
    target = new StallTarget({ own: (work) => work() });
    attachment = await manager.attach(target);
    restoreClock = tickingClock(1);
  });

  afterEach(() => {
    restoreClock();
  });

  /** What is seen in each turn of the event loop while a command is under way; the same in turns one after another only once. */
  async function seenDuring(
    command: Promise<unknown>,
    look: () => unknown,
  ): Promise<{ seen: unknown[]; turns: number }> {
    const seen: unknown[] = [];
    let turns = 0;
    let isOver = false;
    const done = command.finally(() => (isOver = true));
    while (!isOver) {
      const now = JSON.stringify(look());
      if (now !== seen.at(-1)) {
        seen.push(now);
      }
      turns += 1;
      await new Promise((resolve) => setImmediate(resolve));
    }
    await done;
    seen.push(JSON.stringify(look()));
    return { seen: seen.filter((one, index) => index === 0 || one !== seen[index - 1]), turns };
  }

  const starts = (): unknown => manager.snapshot().mappings.map(({ range, writable }) => [range.startPage, writable]);
  const held = (): unknown =>
    attachment.ledger().map(({ range, writable, stuck }) => [range.startPage, writable, stuck]);

  it('sees the active mappings from before a transaction that fails and is undone', async () => {
    target.refusesMapAt = page(2 * COUNT - 1).startPage;
    const failing = manager.transaction((edit) => {
      for (let index = 0; index < COUNT; index++) {
        edit.removeMappings(region, page(index));
        edit.addMapping(region, mappingAt(COUNT + index));
      }
      edit.map(region, { writable: false });
    });
    const { seen, turns } = await seenDuring(rejectionOf(failing), starts);
    expect(seen).to.have.length(1);
    expect(turns).to.be.greaterThan(50);
  });

  it('sees the active mappings from before a transaction whose work throws', async () => {
    const failing = manager.transaction((edit) => {
      for (let index = 0; index < COUNT; index++) {
        edit.removeMappings(region, page(index));
        edit.addMapping(region, mappingAt(COUNT + index));
      }
      throw new Error('on purpose');
    });
    const { seen, turns } = await seenDuring(rejectionOf(failing), starts);
    expect(seen).to.have.length(1);
    expect(turns).to.be.greaterThan(10);
  });

  it('sees the active mappings from before or after the removal of all mappings of a region', async () => {
    const { seen, turns } = await seenDuring(region.removeMappings(region.range), starts);
    expect(seen).to.have.length(2);
    expect(seen[1]).to.equal('[]');
    expect(turns).to.be.greaterThan(20);
  });

  it('sees an unchanged ledger while a map fails and the ledger is listed', async () => {
    target.refusesMapAt = page(COUNT).startPage;
    const { seen, turns } = await seenDuring(rejectionOf(region.addMapping(mappingAt(COUNT))), held);
    expect(seen).to.have.length(1);
    expect(turns).to.be.greaterThan(10);
  });

  it('sees none or all of many regions become active at once', async () => {
    restoreClock();
    const regions = await manager.transaction((edit) =>
      Array.from({ length: COUNT }, (_, index) => {
        const range = MemoryRange.ofPages(index * 2, index * 2 + 1).shift(1n << 40n);
        return edit.addRegion({ name: `${index}`, type: 'ram', range });
      }),
    );
    restoreClock = tickingClock(1);
    const showing = manager.transaction((edit) => {
      for (const one of regions) {
        edit.map(one, { writable: true });
      }
    });
    const { seen, turns } = await seenDuring(showing, () => regions.filter(({ active }) => active).length);
    expect(seen).to.deep.equal(['0', `${COUNT}`]);
    expect(turns).to.be.greaterThan(10);
    const { seen: atTheEnd } = await seenDuring(manager.close(), () => regions.filter(({ active }) => active).length);
    expect(atTheEnd).to.deep.equal([`${COUNT}`, '0']);
  });
});
