import { expect } from 'chai';
import fc from 'fast-check';
import { RegionManager, type Attachment, type DmaTarget, type Region } from '../../../streams/index.js';
import { RecordingTarget } from '../../../testing/index.js';
import { gate, mapping, nextTurn, range, type Gate } from '../support/phrases.js';

/** What one step of a run asks the manager for; `inside`: from within a subscriber of the next event. */
interface Step {
  readonly what:
    | 'change'
    | 'change a mapping that cannot be had'
    | 'throw'
    | 'ask for nonsense'
    | 'attach'
    | 'attach twice'
    | 'detach'
    | 'verify'
    | 'close';
  readonly inside: boolean;
  /** Turns of the event loop that are waited for before the next step. */
  readonly pause: number;
}

const steps = fc.array(
  fc.record<Step>({
    what: fc.oneof(
      { weight: 6, arbitrary: fc.constant<Step['what']>('change') },
      {
        weight: 6,
        arbitrary: fc.constantFrom<Step['what'][]>(
          'change a mapping that cannot be had',
          'throw',
          'ask for nonsense',
          'attach',
          'attach twice',
          'detach',
          'verify',
        ),
      },
      { weight: 1, arbitrary: fc.constant<Step['what']>('close') },
    ),
    inside: fc.boolean(),
    pause: fc.constantFrom(0, 0, 0, 0, 1, 3),
  }),
  { minLength: 2, maxLength: 24 },
);

/** A target whose calls end at once, in a microtask, or in a later turn of the event loop: each call as the next of the paces says, over and over. */
function unevenTarget(name: string, paces: readonly number[]): RecordingTarget {
  let call = 0;
  const laterTurn = async (pace: number): Promise<void> => {
    for (let turn = 1; turn < pace; turn++) {
      await nextTurn();
    }
  };
  return new RecordingTarget({
    name,
    reply: () => {
      const pace = paces[call++ % paces.length] ?? 0;
      return pace === 0 ? undefined : laterTurn(pace);
    },
  });
}

/** Gives commands to a manager, and notes in which order they were given, took effect, and had their promises settled. */
class Run {
  readonly manager = new RegionManager();
  readonly given: number[] = [];
  /** Of transactions alone: they tell when their turn has come. */
  readonly begun: number[] = [];
  readonly settled: number[] = [];
  readonly transactions = new Set<number>();
  readonly #paces: readonly number[];
  readonly #inside: (() => void)[] = [];
  readonly #attached: Attachment[] = [];
  readonly #targets: DmaTarget[] = [];
  readonly #region: Promise<Region>;
  #pages = 0;
  #closing = false;

  constructor(paces: readonly number[]) {
    this.#paces = paces;
    this.#region = this.manager.addRegion({ name: 'ram', range: range(0x0, 0x1000000), type: 'ram' });
    this.manager.events$.subscribe(() => this.#inside.shift()?.());
  }

  async perform(list: readonly Step[]): Promise<void> {
    const region = await this.#region;
    await region.map({ writable: true });
    for (const { what, inside, pause } of list) {
      if (inside) {
        this.#inside.push(() => {
          this.#give(what, region);
        });
      } else {
        this.#give(what, region);
      }
      for (let turn = 0; turn < pause; turn++) {
        await nextTurn();
      }
    }
    this.#give('close', region);
    await this.manager.close();
    await this.manager.transaction(() => undefined).catch(() => undefined);
  }

  #give(what: Step['what'], region: Region): void {
    const number = this.given.length;
    this.given.push(number);
    const note = (): void => void this.settled.push(number);
    this.#command(what, region, number).then(note, note);
  }

  #command(what: Step['what'], region: Region, number: number): Promise<unknown> {
    switch (what) {
      case 'attach':
      case 'attach twice': {
        const [earlier] = this.#targets;
        const target =
          what === 'attach twice' && earlier !== undefined ? earlier : unevenTarget(`T${number}`, this.#paces);
        this.#targets.push(target);
        const attaching = this.manager.attach(target);
        attaching.then(
          (attachment) => this.#attached.push(attachment),
          () => undefined,
        );
        return attaching;
      }
      case 'detach':
        return this.#attached.at(-1)?.detach() ?? this.manager.transaction(() => undefined);
      case 'verify':
        return this.#attached.at(-1)?.verify() ?? this.manager.transaction(() => undefined);
      case 'close':
        if (this.#closing) {
          return this.manager.transaction(() => undefined); // A second close() is the promise of the first.
        }
        this.#closing = true;
        return this.manager.close();
      default:
        this.transactions.add(number);
        return this.manager.transaction((edit) => {
          this.begun.push(number);
          if (what === 'throw') {
            throw new Error('no');
          }
          const page = this.#pages++ * 0x1000;
          edit.addMapping(region, what === 'ask for nonsense' ? mapping(0x1, 0x2) : mapping(page, page + 0x1000));
          if (what === 'change a mapping that cannot be had') {
            edit.addMapping(region, mapping(page, page + 0x1000));
          }
        });
    }
  }
}

describe('RegionManager: the promises of commands', () => {
  it('settle in the order in which the commands took effect, also when commands are awaited, and fail', async () => {
    await fc.assert(
      fc.asyncProperty(
        steps,
        fc.array(fc.constantFrom(0, 1, 2, 3), { minLength: 1, maxLength: 5 }),
        async (list, paces) => {
          const run = new Run(paces);
          await run.perform(list);
          expect(run.settled).to.deep.equal(run.given);
          const begun = run.settled.filter((number) => run.begun.includes(number));
          expect(run.begun).to.deep.equal(begun);
        },
      ),
      { numRuns: 300 },
    );
  });

  /** A manager with a target that answers when the gate opens, and a log of what settled. */
  async function plot(): Promise<{
    readonly manager: RegionManager;
    readonly region: Region;
    readonly later: Gate;
    readonly settled: string[];
    readonly note: (name: string, promise: Promise<unknown>) => void;
  }> {
    const manager = new RegionManager();
    const later = gate();
    const settled: string[] = [];
    await manager.attach({ name: 'slow', mapDma: () => later.opened, unmapDma: () => undefined });
    const region = await manager.addRegion({ name: 'ram', range: range(0x0, 0x10000), type: 'ram' });
    await region.map({ writable: true });
    const note = (name: string, promise: Promise<unknown>): void => {
      promise.then(
        () => settled.push(name),
        () => settled.push(`${name} fails`),
      );
    };
    return { manager, region, later, settled, note };
  }

  it('settle in that order behind one that waits: changes, failures, attach, detach, close, and commands after it', async () => {
    const { manager, region, later, settled, note } = await plot();
    const [attachment] = manager.attachments;
    note('map', region.addMapping(mapping(0x0, 0x1000)));
    note('unmap', region.removeMappings(range(0x0, 0x1000)));
    note('nonsense', region.addMapping(mapping(0x20000, 0x21000)));
    note('attach', manager.attach({ name: 'quick', mapDma: () => undefined, unmapDma: () => undefined }));
    note('detach', attachment?.detach() ?? Promise.reject(new Error('it is attached')));
    note(
      'nothing',
      manager.transaction(() => undefined),
    );
    note('close', manager.close());
    note('too late', region.unmap());
    await nextTurn();
    expect(settled).to.deep.equal([]);
    later.open();
    await nextTurn();
    const expected = ['map', 'unmap', 'nonsense fails', 'attach', 'detach', 'nothing', 'close', 'too late fails'];
    expect(settled).to.deep.equal(expected);
  });

  it('settle in that order when a subscriber or a target of another command gives one', async () => {
    const { manager, region, later, settled, note } = await plot();
    later.open();
    await manager.attachments[0]?.detach();
    let from: 'subscriber' | 'target' | undefined;
    const give = (who: typeof from): void => {
      if (from === who) {
        from = undefined;
        note('inner', region.removeMappings(range(0x8000, 0x9000)));
        note('inner, refused', region.addMapping(mapping(0x20000, 0x21000)));
      }
    };
    manager.events$.subscribe(() => {
      give('subscriber');
    });
    await manager.attach({
      name: 'quick',
      mapDma: () => {
        give('target');
      },
      unmapDma: () => undefined,
    });
    for (const [index, who] of (['subscriber', 'target'] as const).entries()) {
      from = who;
      note('outer', region.addMapping(mapping(index * 0x1000, (index + 1) * 0x1000)));
      note('behind', region.map({ writable: true }));
      await nextTurn();
      expect(settled.splice(0), who).to.deep.equal(['outer', 'inner', 'inner, refused fails', 'behind']);
    }
  });
});
