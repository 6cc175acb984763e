import { expect } from 'chai';
import { Subscription } from 'rxjs';
import { DmaError, DmaMapError, forwardTarget, type DmaTarget, type MemoryRange } from '../../../streams/index.js';
import { addRegion, ledgerOf, mapping, nextTurn, range, rejectionOf, texts, viewOf } from '../support/phrases.js';
import { Stage } from '../support/stage.js';

/** Delays that look random and are the same in every run. */
function* delays(): Generator<number, never> {
  for (let state = 7; ; state = (state * 48271) % 0x7fffffff) {
    yield state % 3;
  }
}

describe('RegionManager: asynchronous answers', () => {
  let stage: Stage;

  beforeEach(() => {
    stage = new Stage();
  });

  afterEach(() => {
    stage.expectContractsKept();
  });

  it('1,000 commands that are not awaited take effect in call order, at targets of different speed', async () => {
    const pace = delays();
    const late = async (): Promise<void> => {
      for (let turns = pace.next().value; turns > 0; turns--) {
        await nextTurn();
      }
    };
    for (const name of ['one', 'two', 'three']) {
      await stage.manager.attach(stage.target({ name, reply: name === 'two' ? 'sync' : late }));
    }
    const region = await addRegion(stage.manager, 0x0, 0x1000000);
    const generations: number[] = [];
    stage.manager.changes().subscribe(({ generation }) => generations.push(generation));
    const settled: number[] = [];
    const expected: string[] = [];
    const commands: Promise<unknown>[] = [];
    for (let number = 0; number < 1000; number++) {
      const page = (number % 50) * 0x1000;
      const adds = Math.floor(number / 50) % 2 === 0;
      const what = adds
        ? region.addMapping(mapping(page, page + 0x1000, { fileOffset: BigInt(number) * 0x1000n }))
        : region.removeMappings(range(page, page + 0x1000));
      expected.push(`${adds ? 'map' : 'unmap'} ${range(page, page + 0x1000).toString()}${adds ? ' rw' : ''}`);
      commands.push(what.then(() => settled.push(number)));
    }
    await Promise.all(commands);
    expect(settled).to.deep.equal(Array.from({ length: 1000 }, (_, number) => number));
    expect(generations).to.deep.equal(Array.from({ length: 1001 }, (_, number) => number));
    for (const target of stage.targets) {
      expect(target.calls).to.deep.equal(expected);
    }
    expect(viewOf(stage.manager)).to.deep.equal([]);
  }).timeout(60_000);

  it('a thenable that settles twice counts as it settled the first time', async () => {
    const twice = (first: 'resolve' | 'reject') => ({
      then: (resolve: () => void, reject: (error: Error) => void): void => {
        const act = { resolve, reject: () => reject(new Error('no')) };
        act[first]();
        act[first === 'resolve' ? 'reject' : 'resolve']();
        setImmediate(act.reject);
      },
    });
    let answer = twice('resolve');
    const odd = { name: 'odd', mapDma: () => answer, unmapDma: () => undefined } as unknown as DmaTarget;
    const attachment = await stage.manager.attach(odd);
    const region = await addRegion(stage.manager, 0x0, 0x10000);
    await region.addMapping(mapping(0x0, 0x1000));
    answer = twice('reject');
    expect(await rejectionOf(region.addMapping(mapping(0x1000, 0x2000)))).to.be.instanceOf(DmaMapError);
    await nextTurn();
    answer = twice('resolve');
    await region.addMapping(mapping(0x2000, 0x3000));
    expect(ledgerOf(attachment)).to.deep.equal(['0x0-0x1000 rw', '0x2000-0x3000 rw']);
    await attachment.detach();
  });

  for (const reply of ['sync', 'async'] as const) {
    for (const when of ['inside the call', 'in the next turn'] as const) {
      it(`an attach that is aborted ${when} after any number of calls is undone, or done (${reply})`, async () => {
        const pages = [0x0, 0x2000, 0x4000, 0x6000];
        await addRegion(stage.manager, 0x0, 0x10000, { mappings: pages.map((page) => mapping(page, page + 0x1000)) });
        for (let number = 0; number <= pages.length; number++) {
          const abort = new AbortController();
          let calls = 0;
          const inner = stage.target({ reply });
          const target = forwardTarget(inner, {
            mapDma: (request) => {
              if (calls++ === number) {
                if (when === 'inside the call') {
                  abort.abort();
                } else {
                  setImmediate(() => abort.abort());
                }
              }
              return inner.mapDma(request);
            },
          });
          const attached = await stage.manager.attach(target, { signal: abort.signal }).then(
            (attachment) => attachment,
            (error: unknown) => error,
          );
          await nextTurn();
          if (attached instanceof Error) {
            expect(attached).to.be.instanceOf(DmaError).and.include({ code: 'ABORT_ERR' });
            expect(inner.held()).to.deep.equal([]);
            expect(stage.manager.attachments).to.deep.equal([]);
          } else {
            expect(number, 'it was too late').to.be.at.least(reply === 'sync' && when !== 'inside the call' ? 0 : 3);
            expect(texts(inner.held())).to.have.length(pages.length);
            await stage.manager.attachments[0]?.detach();
          }
        }
      });
    }
  }

  it('a subscriber that ends the subscription of the next one during a delivery keeps that change set from it alone', async () => {
    const seen: string[] = [];
    const region = await addRegion(stage.manager, 0x0, 0x10000);
    const second = new Subscription();
    stage.manager.changes().subscribe(({ generation }) => {
      seen.push(`first ${generation}`);
      if (generation === 2) {
        second.unsubscribe();
      }
    });
    second.add(stage.manager.changes().subscribe(({ generation }) => seen.push(`second ${generation}`)));
    stage.manager.changes().subscribe(({ generation }) => seen.push(`third ${generation}`));
    for (const page of [0x0, 0x1000, 0x2000]) {
      await region.addMapping(mapping(page, page + 0x1000));
    }
    expect(seen).to.deep.equal([
      ...['first 0', 'second 0', 'third 0', 'first 1', 'second 1', 'third 1'],
      ...['first 2', 'third 2', 'first 3', 'third 3'],
    ]);
  });

  it('a subscriber that ends its own subscription during a delivery, and gives a command, causes the command once', async () => {
    const region = await addRegion(stage.manager, 0x0, 0x10000);
    const target = stage.target({ reply: 'async' });
    await stage.manager.attach(target);
    const caused: Promise<void>[] = [];
    const subscription = stage.manager.changes().subscribe(({ generation }) => {
      if (generation === 1) {
        subscription.unsubscribe();
        caused.push(region.addMapping(mapping(0x8000, 0x9000)));
      }
    });
    await Promise.all([region.addMapping(mapping(0x0, 0x1000)), region.addMapping(mapping(0x1000, 0x2000))]);
    await Promise.all(caused);
    const held: readonly MemoryRange[] = target.held();
    expect(texts(held)).to.deep.equal(['0x0-0x1000', '0x1000-0x2000', '0x8000-0x9000']);
    expect(target.calls).to.deep.equal(['map 0x0-0x1000 rw', 'map 0x1000-0x2000 rw', 'map 0x8000-0x9000 rw']);
  });
});
