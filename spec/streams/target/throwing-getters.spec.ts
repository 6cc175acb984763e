import { expect } from 'chai';
import { MemoryRange, RegionManager, type DmaTarget, type VaMapper } from '../../../streams/index.js';
import { FakeVaMapper, RecordingTarget } from '../../../testing/index.js';
import { FILE, nextTurn, range, texts, viewOf } from '../support/phrases.js';
import { uncaughtIn } from '../support/uncaught.js';

/** An object of which one member cannot be read once `breaks` says so. */
function withGetter<T extends object>(object: T, member: string, breaks: () => boolean): T {
  return new Proxy(object, {
    get(target, name) {
      if (name === member && breaks()) {
        throw new Error(`getter of ${member}`);
      }
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? (value as () => unknown).bind(target) : value;
    },
  });
}

const VALUES = ['name', 'needsVa', 'needsFd', 'unmapShape', 'slowForLargeMaps', 'concurrent', 'maxMaps'] as const;
const METHODS = ['checkMaps', 'mapDma', 'unmapDma', 'mapDmaBatch', 'unmapDmaBatch', 'beginSet', 'endSet'] as const;
const LISTS = ['mappedRanges', 'mappedCount'] as const;

describe('A member that cannot be read any more', () => {
  let isBroken: boolean;
  let held: Set<string>;
  let target: DmaTarget;

  beforeEach(() => {
    isBroken = false;
    held = new Set();
    target = {
      name: 'T',
      checkMaps: () => undefined,
      mapDma: (request) => void held.add(String(request.range)),
      unmapDma: (gone) => void held.delete(String(gone)),
      mapDmaBatch: (requests) => {
        requests.forEach((request) => held.add(String(request.range)));
        return undefined;
      },
      unmapDmaBatch: (gone) => {
        gone.forEach((one) => held.delete(String(one)));
        return undefined;
      },
      unmapShape: 'exact',
      beginSet: () => undefined,
      endSet: () => undefined,
      mappedRanges: () => [...held].map((text) => MemoryRange.parse(text)),
    };
  });

  /** Gives commands of all kinds. Each must settle; returns the messages of those that rejected. */
  async function commandsOf(manager: RegionManager): Promise<string[]> {
    const messages: string[] = [];
    const give = async (command: Promise<unknown>): Promise<void> => {
      await command.catch((error: unknown) => messages.push((error as Error).message));
    };
    const at = { name: 'ram', backing: FILE };
    await give(manager.addRam({ ...at, range: range(0x10000, 0x14000) }));
    await give(manager.addRam({ ...at, range: range(0x20000, 0x24000), granule: 0x1000n }));
    await give(manager.addRam({ ...at, range: range(0x30000, 0x34000), backing: 'private' }));
    for (const attachment of manager.attachments) {
      await give(attachment.verify());
      await give(attachment.heal());
    }
    for (const region of manager.regions) {
      await give(region.remove());
    }
    expect(JSON.stringify(manager)).to.include('attachments');
    return messages;
  }

  for (const member of [...VALUES, ...METHODS, ...LISTS]) {
    it(`of a target, ${member}, ends neither the process nor the queue`, async () => {
      const manager = new RegionManager({ vaMapper: new FakeVaMapper() });
      let messages: string[] = [];
      const uncaught = await uncaughtIn(async () => {
        await manager.attach(withGetter(target, member, () => isBroken));
        await manager.addRam({ name: 'first', range: range(0x0, 0x4000), backing: FILE });
        isBroken = true;
        messages = await commandsOf(manager);
      });
      expect(uncaught).to.deep.equal([]);
      expect(messages.filter((message) => !message.includes(`getter of ${member}`))).to.deep.equal([]);
      if ((VALUES as readonly string[]).includes(member)) {
        expect(messages).to.deep.equal([]);
      }
      isBroken = false;
      await Promise.all(manager.attachments.map((attachment) => attachment.retryStuck()));
      expect([...held]).to.deep.equal(texts(manager.snapshot().mappings.map((mapping) => mapping.range)));
      await manager.close();
    });
  }

  it('of a target, its name, does not matter to the watch for slow answers', async () => {
    const warnings: string[] = [];
    let answer: () => void = () => undefined;
    const manager = new RegionManager({ warnAfter: 1, onWarning: ({ message }) => warnings.push(message) });
    const slow: DmaTarget = { ...target, mapDma: () => new Promise<void>((resolve) => (answer = resolve)) };
    await manager.attach(withGetter(slow, 'name', () => isBroken));
    isBroken = true;
    const uncaught = await uncaughtIn(async () => {
      const adding = manager.addRam({ name: 'ram', range: range(0x0, 0x4000), backing: FILE });
      while (warnings.length === 0) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      answer();
      await adding;
    });
    expect(uncaught).to.deep.equal([]);
    expect(warnings[0]).to.match(/'T' has not answered/);
    await manager.close();
  });

  for (const member of [...VALUES, ...METHODS]) {
    it(`of a target, ${member}, when it is attached: attach rejects or later commands do, and the queue goes on`, async () => {
      const manager = new RegionManager({ vaMapper: new FakeVaMapper() });
      isBroken = true;
      const broken = withGetter(target, member, () => isBroken);
      const uncaught = await uncaughtIn(async () => {
        const attached = await manager.attach(broken).then(
          () => true,
          (error: unknown) => {
            expect((error as Error).message).to.include(`getter of ${member}`);
            return false;
          },
        );
        expect(attached || manager.attachments.length === 0).to.equal(true);
        await commandsOf(manager);
      });
      expect(uncaught).to.deep.equal([]);
      isBroken = false;
      await manager.close();
    });
  }

  for (const member of ['ensureMapped', 'release', 'ensureMappedBatch', 'releaseBatch']) {
    it(`of a VA mapper, ${member}, fails the commands that need it, or is a warning`, async () => {
      const warnings: string[] = [];
      const mapper: VaMapper = {
        ensureMapped: ({ range: { start } }) => ({ address: start }),
        release: () => undefined,
        ensureMappedBatch: (mappings) => mappings.map(({ range: { start } }) => ({ address: start })),
        releaseBatch: () => [],
      };
      const manager = new RegionManager({
        vaMapper: withGetter(mapper, member, () => isBroken),
        onWarning: ({ message }) => warnings.push(message),
      });
      let messages: string[] = [];
      const uncaught = await uncaughtIn(async () => {
        await manager.attach(new RecordingTarget({ needsVa: true }));
        await manager.addRam({ name: 'first', range: range(0x0, 0x4000), backing: FILE });
        isBroken = true;
        messages = await commandsOf(manager);
      });
      expect(uncaught).to.deep.equal([]);
      for (const message of [...messages, ...warnings]) {
        expect(message)
          .to.match(/ERR_VA_(MAPPER|RELEASE)/)
          .and.include(`getter of ${member}`);
      }
      isBroken = false;
      await manager.addRam({ name: 'last', range: range(0x40000, 0x44000), backing: FILE });
      expect(viewOf(manager)).to.include('0x40000-0x44000 rw');
      await manager.close();
      await nextTurn();
    });
  }
});
