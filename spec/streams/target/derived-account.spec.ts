import { expect } from 'chai';
import fc from 'fast-check';
import { map } from 'rxjs';
import {
  DmaError,
  ensureMapped,
  RegionManager,
  toTarget,
  type Attachment,
  type ChangeSet,
  type Region,
  type RegionEdit,
  type TargetBranch,
} from '../../../streams/index.js';
import type { RecordingTarget, RecordingTargetOptions } from '../../../testing/index.js';
import { addRegion, gate, ledgerOf, mapping, nextTurn, range, rejectionOf, texts } from '../support/phrases.js';
import { Stage } from '../support/stage.js';

/** Of a target that is attached by itself no list is kept, as long as what it holds follows from what is active. */
describe('RegionManager: the derived account of a target', () => {
  let stage: Stage;

  beforeEach(() => {
    stage = new Stage();
  });

  afterEach(() => {
    stage.expectContractsKept();
  });

  describe('during a set', () => {
    async function slow(): Promise<{
      readonly attachment: Attachment;
      readonly region: Region;
      readonly step: () => Promise<void>;
    }> {
      let open = gate();
      const region = await addRegion(stage.manager, 0x0, 0x10000, {
        mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000), mapping(0x4000, 0x5000)],
      });
      const attaching = stage.manager.attach(stage.target({ reply: () => open.opened }));
      const step = async (): Promise<void> => {
        const before = open;
        open = gate();
        before.open();
        await nextTurn();
      };
      const [attachment] = stage.manager.attachments;
      expect(ledgerOf(attachment as Attachment)).to.deep.equal([]);
      await step();
      expect(ledgerOf(attachment as Attachment), 'in the replay').to.deep.equal(['0x0-0x1000 rw']);
      await step();
      await step();
      await attaching;
      return { attachment: attachment as Attachment, region, step };
    }

    it('contains what a replay, a command or a detach has done so far', async () => {
      const { attachment, region, step } = await slow();
      const command = stage.manager.transaction((edit) => {
        edit.removeMappings(region, range(0x0, 0x3000));
        edit.addMapping(region, mapping(0x8000, 0x9000));
        edit.addMapping(region, mapping(0x6000, 0x7000));
      });
      await step();
      await step();
      expect(ledgerOf(attachment), 'after the unmaps').to.deep.equal(['0x4000-0x5000 rw']);
      await step();
      expect(ledgerOf(attachment), 'after a map').to.deep.equal(['0x4000-0x5000 rw', '0x6000-0x7000 rw']);
      await step();
      await command;
      expect(ledgerOf(attachment)).to.deep.equal(['0x4000-0x5000 rw', '0x6000-0x7000 rw', '0x8000-0x9000 rw']);

      const detaching = attachment.detach();
      await nextTurn();
      await step();
      expect(ledgerOf(attachment), 'in the detach').to.deep.equal(['0x8000-0x9000 rw']);
      await step();
      await step();
      await detaching;
      expect(ledgerOf(attachment)).to.deep.equal([]);
    });
  });

  it('does not contain device memory that could not be mapped, also after later changes', async () => {
    const target = stage.target();
    target.failAll('map 0x20000', 'EFAULT');
    const attachment = await stage.manager.attach(target);
    const ram = await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
    const bar = await addRegion(stage.manager, 0x20000, 0x30000, {
      type: 'device',
      mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000)],
    });
    await ram.addMapping(mapping(0x4000, 0x5000));
    await ram.removeMappings(range(0x0, 0x1000));
    expect(ledgerOf(attachment)).to.deep.equal(['0x4000-0x5000 rw', '0x22000-0x23000 rw']);
    expect(await attachment.verify()).to.deep.equal([]);

    await stage.manager.transaction((edit) => {
      edit.removeMappings(bar, range(0x0, 0x1000));
      edit.addMapping(bar, mapping(0x4000, 0x5000));
    });
    expect(ledgerOf(attachment)).to.deep.equal(['0x4000-0x5000 rw', '0x22000-0x23000 rw', '0x24000-0x25000 rw']);
    await attachment.detach();
    expect(texts(target.held())).to.deep.equal([]);
  });

  it('is empty when checkMaps rejects the replay, and unchanged when it rejects a command', async () => {
    const region = await addRegion(stage.manager, 0x0, 0x10000, {
      mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000)],
    });
    const target = stage.target();
    let limit = 1;
    const careful = Object.assign(target, {
      checkMaps(requests: readonly unknown[]): void {
        if (requests.length > limit) {
          throw new DmaError('too many', { code: 'ENOSPC' });
        }
      },
    });
    const refused = await rejectionOf(stage.manager.attach(careful));
    expect(refused.code).to.equal('ENOSPC');
    expect(refused['undone']).to.deep.equal([]);
    expect(target.takeCalls()).to.deep.equal([]);

    limit = 2;
    const attachment = await stage.manager.attach(careful);
    target.takeCalls();
    await rejectionOf(
      stage.manager.transaction((edit) => {
        edit.removeMappings(region, range(0x0, 0x1000));
        for (const start of [0x4000, 0x6000, 0x8000]) {
          edit.addMapping(region, mapping(start, start + 0x1000));
        }
      }),
    );
    expect(target.takeCalls()).to.deep.equal(['unmap 0x0-0x1000', 'map 0x0-0x1000 rw']);
    expect(ledgerOf(attachment)).to.deep.equal(['0x0-0x1000 rw', '0x2000-0x3000 rw']);
  });

  it('contains what an aborted attach had mapped, whatever is active when its call completes', async () => {
    for (const meanwhile of ['a change', 'the end']) {
      const own = new Stage();
      const region = await addRegion(own.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
      const open = gate();
      const target = own.target({ needsVa: true, reply: () => open.opened });
      const abort = new AbortController();
      const attaching = rejectionOf(own.manager.attach(target, { signal: abort.signal }));
      await nextTurn();
      abort.abort();
      expect((await attaching).code).to.equal('ABORT_ERR');
      if (meanwhile === 'a change') {
        await region.removeMappings(range(0x0, 0x1000));
        await region.addMapping(mapping(0x4000, 0x5000));
      } else {
        await rejectionOf(own.manager.close());
      }
      expect(own.va.calls, 'the address stays').not.to.include('release 0x0-0x1000');
      open.open();
      for (let turn = 0; turn < 1_000 && !own.va.calls.includes('release 0x0-0x1000'); turn++) {
        await nextTurn();
      }
      expect(target.calls, meanwhile).to.deep.equal(['map 0x0-0x1000 rw', 'unmap 0x0-0x1000']);
      expect(texts(target.held())).to.deep.equal([]);
      own.expectContractsKept();
    }
  });

  it('is empty after a detach without active mappings, whatever is active later', async () => {
    const attachment = await stage.manager.attach(stage.target());
    await attachment.detach();
    await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
    expect(ledgerOf(attachment)).to.deep.equal([]);
  });

  it('has host addresses when its mappings are mapped again', async () => {
    await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000)] });
    const calls: string[] = [];
    const held = new Set<string>();
    const attachment = await stage.manager.attach({
      name: 'counting',
      needsVa: true,
      mappedCount: () => held.size,
      mapDma({ range: at, hostVa }): void {
        calls.push(`map ${at.toString()}`);
        expect(hostVa, at.toString()).not.to.equal(undefined);
        if (held.has(at.toString())) {
          throw new DmaError('there already', { code: 'EEXIST' });
        }
        held.add(at.toString());
      },
      unmapDma(at): void {
        calls.push(`unmap ${at.toString()}`);
      },
    });
    held.delete('0x2000-0x3000'); // Behind everybody's back.
    calls.length = 0;
    await attachment.heal();
    expect(calls).to.deep.equal(['map 0x0-0x1000', 'map 0x2000-0x3000']);
    expect([...held]).to.deep.equal(['0x0-0x1000', '0x2000-0x3000']);
  });

  it('yields to the event loop in long sets and their undo, at synchronous and asynchronous targets', async function () {
    this.timeout(60_000);
    const count = 50_000;
    for (const answers of ['at once', 'with promises']) {
      let failing = false;
      const call = (): void | Promise<void> => (answers === 'at once' ? undefined : Promise.resolve());
      const manager = new RegionManager();
      const region = await addRegion(manager, 0x0, count * 0x2000);
      const fill = (): Promise<void> =>
        manager.transaction((edit) => {
          for (let index = 0; index < count; index++) {
            edit.addMapping(region, mapping(index * 0x2000, index * 0x2000 + 0x1000));
          }
        });
      const turns = async (work: () => Promise<unknown>): Promise<number> => {
        let seen = 0;
        const timer = setInterval(() => (seen += 1));
        await work();
        clearInterval(timer);
        return seen;
      };
      const attachment = await manager.attach({ name: 'T', mapDma: call, unmapDma: call });
      await manager.attach({
        name: 'last',
        mapDma() {
          if (failing) {
            throw new Error('made to fail');
          }
        },
        unmapDma: () => undefined,
      });
      expect(await turns(fill), `${answers}: maps`).to.be.greaterThan(0);
      failing = true;
      const undone = (): Promise<unknown> =>
        rejectionOf(
          manager.transaction((edit) => {
            edit.removeMappings(region, region.range);
            edit.addMapping(region, mapping(0x1000, 0x2000));
          }),
        );
      expect(await turns(undone), `${answers}: unmaps, and maps put back`).to.be.greaterThan(2);
      failing = false;
      expect(await turns(() => attachment.detach()), `${answers}: unmaps`).to.be.greaterThan(0);
    }
  });

  it('is exact after an abort in the middle of a replay', async () => {
    const abort = new AbortController();
    await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000)] });
    const target = stage.target({ reply: 'async' });
    const attaching = stage.manager.attach(target, { signal: abort.signal, onProgress: () => abort.abort() });
    const [attachment] = stage.manager.attachments;
    expect((await rejectionOf(attaching)).code).to.equal('ABORT_ERR');
    expect(ledgerOf(attachment as Attachment)).to.deep.equal([]);
    expect(texts(target.held())).to.deep.equal([]);
  });

  /**
   * A target behind an operator that copies the sets has a list. Two managers get the same commands, one with each, and the same calls
   * fail: nobody could tell them apart.
   */
  it('has the same effect as a list, whatever fails', async function () {
    this.timeout(60_000);
    const place = fc.record({ region: fc.nat({ max: 3 }), at: fc.nat({ max: 7 }) });
    const edit = fc.oneof(
      { weight: 4, arbitrary: place.map((where) => ({ kind: 'add', ...where }) as const) },
      { weight: 3, arbitrary: place.map((where) => ({ kind: 'remove', ...where }) as const) },
      { weight: 2, arbitrary: fc.nat({ max: 3 }).map((region) => ({ kind: 'show', region }) as const) },
      { weight: 2, arbitrary: fc.nat({ max: 3 }).map((region) => ({ kind: 'hide', region }) as const) },
    );
    type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never;
    const command = fc.record({
      edits: fc.array(edit, { minLength: 1, maxLength: 5 }),
      /** At which target, and which of its calls. */
      fault: fc.option(fc.record({ at: fc.nat({ max: 2 }), call: fc.nat({ max: 4 }) })),
      after: fc.constantFrom('nothing', 'nothing', 'retry', 'heal', 'come and go'),
    });
    const kind: fc.Arbitrary<Omit<RecordingTargetOptions, 'name' | 'journal'>> = fc.record({
      unmapShape: fc.constantFrom('superset', 'exact'),
      reply: fc.constantFrom('sync', 'async'),
      batches: fc.boolean(),
      needsVa: fc.boolean(),
    });

    function act(change: RegionEdit, regions: readonly Region[], { kind: what, ...where }: Edit): void {
      const region = regions[where.region] as Region;
      if (what === 'show') {
        change.map(region, { writable: true });
      } else if (what === 'hide') {
        change.unmap(region);
      } else if ('at' in where) {
        const start = where.at * 0x1000;
        if (what === 'add') {
          change.addMapping(region, mapping(start, start + 0x1000));
        } else {
          change.removeMappings(region, range(start, start + 0x1000));
        }
      }
    }

    class Side {
      readonly stage = new Stage();
      readonly targets: readonly RecordingTarget[];
      readonly #listed: boolean;
      regions: Region[] = [];
      attachments: Attachment[] = [];

      constructor(listed: boolean, kinds: readonly Omit<RecordingTargetOptions, 'name' | 'journal'>[]) {
        this.#listed = listed;
        this.targets = kinds.map((options, index) => this.stage.target({ ...options, name: `T${index}` }));
      }

      attach(index: number): Promise<Attachment> {
        const target = this.targets[index] as RecordingTarget;
        return this.stage.manager.attach(this.#listed ? this.#branchOf(target) : target);
      }

      /** Its sets are copies, from which nothing can be derived. */
      #branchOf(target: RecordingTarget): TargetBranch {
        const copied = map((set: ChangeSet): ChangeSet => ({ ...set }));
        return target.needsVa
          ? (changes$) => changes$.pipe(copied, ensureMapped(this.stage.va), toTarget(target))
          : (changes$) => changes$.pipe(copied, toTarget(target));
      }

      async begin(): Promise<void> {
        const { manager } = this.stage;
        this.regions = [
          await addRegion(manager, 0x0, 0x8000, { name: 'low' }),
          await addRegion(manager, 0x8000, 0x10000, { name: 'high' }),
          await addRegion(manager, 0x0, 0x8000, { name: 'overlay', priority: 1, shown: 'hidden' }),
          await addRegion(manager, 0x10000, 0x18000, { name: 'bar', type: 'device' }),
        ];
        this.attachments = [await this.attach(0), await this.attach(1), await this.attach(2)];
      }

      /** Everything that could be seen from outside. */
      async result(work: () => Promise<unknown>): Promise<unknown> {
        const error: unknown = await work().then(
          () => undefined,
          (thrown: unknown) => thrown,
        );
        return {
          error: error instanceof Error ? `${error.name}: ${error.message}` : error,
          calls: this.targets.map((target) => target.takeCalls()),
          ledgers: this.attachments.map(ledgerOf),
          missing: this.attachments.map((one) => texts(one.missing())),
          held: this.targets.map((target) => texts(target.held())),
          warnings: this.stage.warnings.splice(0).map(({ message }) => message),
        };
      }
    }

    await fc.assert(
      fc.asyncProperty(fc.tuple(kind, kind, kind), fc.array(command, { maxLength: 12 }), async (kinds, commands) => {
        const sides = [new Side(false, kinds), new Side(true, kinds)] as const;
        const both = async (work: (side: Side) => Promise<unknown>): Promise<void> => {
          const [followed, listed] = await Promise.all(sides.map((side) => side.result(() => work(side))));
          expect(followed).to.deep.equal(listed);
        };
        await both((side) => side.begin());
        for (const { edits, fault, after } of commands) {
          await both((side) => {
            if (fault !== null) {
              side.targets[fault.at]?.failCall(fault.call);
            }
            return side.stage.manager.transaction((change) => {
              for (const one of edits) {
                act(change, side.regions, one);
              }
            });
          });
          await both(async (side) => {
            side.targets.forEach((target) => target.clearFailures());
            if (after === 'retry') {
              await Promise.all(side.attachments.map((one) => one.retryStuck()));
            } else if (after === 'heal') {
              await Promise.all(side.attachments.map((one) => one.heal()));
            } else if (after === 'come and go') {
              await side.attachments[1]?.detach();
              side.attachments[1] = await side.attach(1);
            }
          });
        }
        await both((side) => side.stage.manager.close());
        sides.forEach((side) => {
          side.stage.expectContractsKept();
        });
      }),
      { numRuns: 300 },
    );
  });
});
