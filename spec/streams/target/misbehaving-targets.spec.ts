import { expect } from 'chai';
import { concat, delay, EMPTY, Observable, observable, of, throwError, timer, type Observer } from 'rxjs';
import { DmaMapError, DmaUnmapError, type DmaTarget } from '../../../streams/index.js';
import { addRegion, gate, ledgerOf, mapping, nextTurn, range, rejectionOf, viewOf } from '../support/phrases.js';
import { Stage } from '../support/stage.js';

describe('RegionManager: a target that misbehaves', () => {
  let stage: Stage;

  beforeEach(() => {
    stage = new Stage();
  });

  /** A target whose maps, or unmaps, end as given. */
  function targetThat(how: { readonly mapDma?: () => unknown; readonly unmapDma?: () => unknown }): DmaTarget {
    return { name: 'odd', mapDma: () => undefined, unmapDma: () => undefined, ...how } as unknown as DmaTarget;
  }

  const failures: readonly (readonly [string, () => unknown, string])[] = [
    [
      'throws an error',
      () => {
        throw new Error('plain');
      },
      'ERR_TARGET_FAILED',
    ],
    [
      'throws a system error',
      () => {
        throw Object.assign(new Error('no space'), { code: 'ENOSPC', errno: -28, syscall: 'write' });
      },
      'ENOSPC',
    ],
    [
      'throws a string',
      () => {
        throw 'a string' as unknown as Error;
      },
      'ERR_TARGET_FAILED',
    ],
    [
      'throws undefined',
      () => {
        throw undefined as unknown as Error;
      },
      'ERR_TARGET_FAILED',
    ],
    [
      'throws an object without a prototype',
      () => {
        throw Object.create(null) as Error;
      },
      'ERR_TARGET_FAILED',
    ],
    ['rejects', () => Promise.reject(new Error('plain')), 'ERR_TARGET_FAILED'],
    [
      'rejects later',
      async () => {
        await nextTurn();
        throw new Error('plain');
      },
      'ERR_TARGET_FAILED',
    ],

    ['rejects with null', () => Promise.reject(null), 'ERR_TARGET_FAILED'],
    ['returns an observable that errors at once', () => throwError(() => new Error('plain')), 'ERR_TARGET_FAILED'],
    [
      'returns an observable that emits, and errors later with a system error',
      () =>
        concat(
          timer(1),
          throwError(() => Object.assign(new Error('no space'), { code: 'ENOSPC', errno: -28 })),
        ),
      'ENOSPC',
    ],
    [
      'returns an observable that cannot be subscribed',
      () =>
        new Observable(() => {
          throw new Error('plain');
        }),
      'ERR_TARGET_FAILED',
    ],
    ['returns something whose Symbol.observable gives none', () => ({ [observable]: () => 7 }), 'ERR_TARGET_FAILED'],
    [
      'returns something whose Symbol.observable throws',
      () => ({
        get [observable](): never {
          throw new Error('plain');
        },
      }),
      'ERR_TARGET_FAILED',
    ],
    [
      'returns a thenable that throws',
      () => ({
        then: () => {
          throw new Error('plain');
        },
      }),
      'ERR_TARGET_FAILED',
    ],
    [
      'returns something whose `then` throws',
      () => ({
        get then(): never {
          throw new Error('plain');
        },
      }),
      'ERR_TARGET_FAILED',
    ],
  ];

  for (const [how, act, code] of failures) {
    it(`has failed a map that ${how}`, async () => {
      const first = stage.target({ name: 'first' });
      await stage.manager.attach(first);
      await stage.manager.attach(targetThat({ mapDma: act }));
      const region = await addRegion(stage.manager, 0x0, 0x10000);
      const error = await rejectionOf(region.addMapping(mapping(0x0, 0x1000)));
      expect(error).to.be.instanceOf(DmaMapError).and.include({ code, target: 'odd', region: 'ram' });
      expect(first.held()).to.deep.equal([]);
      expect(viewOf(stage.manager)).to.deep.equal([]);
    });

    it(`leaves the range of an unmap stuck that ${how}`, async () => {
      const attachment = await stage.manager.attach(targetThat({ unmapDma: act }));
      const region = await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
      const error = await rejectionOf(region.remove());
      expect(error).to.be.instanceOf(DmaUnmapError).and.include({ code, target: 'odd' });
      expect(ledgerOf(attachment)).to.deep.equal(['0x0-0x1000 rw stuck']);
    });
  }

  for (const [what, answer] of [
    ['a number', 7],
    ['null', null],
    ['an object', {}],
    ['an object whose `then` is no function', { then: 5 }],
    [
      'a thenable',
      {
        then: (resolve: (value: string) => void) => {
          resolve('later');
        },
      },
    ],
    ['a promise of garbage', Promise.resolve('garbage')],
    ['an observable of nothing', EMPTY],
    ['an observable of one value', of(1)],
    ['an observable that completes later', of(1, 2).pipe(delay(2))],
    [
      'an observable of another library',
      { [observable]: () => ({ subscribe: (o: Observer<void>) => of().subscribe(o) }) },
    ],
    [
      'an observable of another copy of RxJS',
      { lift: () => EMPTY, subscribe: (o: Observer<void>) => of().subscribe(o) },
    ],
  ] as const) {
    it(`has applied a call that returns ${what}`, async () => {
      const attachment = await stage.manager.attach(targetThat({ mapDma: () => answer, unmapDma: () => answer }));
      const region = await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
      expect(ledgerOf(attachment)).to.deep.equal(['0x0-0x1000 rw']);
      await region.remove();
      expect(attachment.ledger()).to.deep.equal([]);
    });
  }

  it('can attach itself again, detach itself, or close the manager inside a call: the command is queued', async () => {
    const { manager } = stage;
    const later: Promise<unknown>[] = [];
    const target: DmaTarget = {
      name: 'odd',
      mapDma: () => {
        later.push(rejectionOf(manager.attach(target)));
        later.push(manager.attachments[0]?.detach() ?? Promise.reject(new Error('it is attached')));
        later.push(manager.close());
      },
      unmapDma: () => undefined,
    };
    await manager.attach(target);
    await addRegion(manager, 0x0, 0x10000, { shown: 'hidden' });
    const region = await addRegion(manager, 0x20000, 0x30000);
    await region.addMapping(mapping(0x0, 0x1000));
    expect(await later[0]).to.include({ code: 'ERR_ALREADY_ATTACHED' });
    await Promise.all(later);
  });

  it('causes errors and no crash when its name or methods change or throw', async () => {
    const hostile = new Proxy({} as DmaTarget, {
      get: () => {
        throw new Error('hands off');
      },
    });
    expect((await rejectionOf(stage.manager.attach(hostile))).message).to.include('hands off');
    await addRegion(stage.manager, 0x0, 0x1000, { mappings: [mapping(0x0, 0x1000)] });
  });

  describe('that never settles', () => {
    it('is pending, and others are not served until it settles', async () => {
      const stuck = gate();
      const slow = stage.target({ name: 'slow', reply: () => stuck.opened });
      const quick = stage.target({ name: 'quick' });
      await stage.manager.attach(slow);
      await stage.manager.attach(quick);
      const region = await addRegion(stage.manager, 0x0, 0x10000);
      const command = region.addMapping(mapping(0x0, 0x1000));
      const next = region.addMapping(mapping(0x1000, 0x2000));
      await nextTurn();
      expect(stage.manager.attachments.map(({ target, pending }) => [target, pending])).to.deep.equal([
        ['slow', true],
        ['quick', false],
      ]);
      expect(quick.calls).to.deep.equal([]);
      stuck.open();
      await Promise.all([command, next]);
      expect(quick.calls).to.deep.equal(['map 0x0-0x1000 rw', 'map 0x1000-0x2000 rw']);
      expect(stage.manager.attachments.every(({ pending }) => !pending)).to.equal(true);
      stage.expectContractsKept();
    });

    it('keeps the VA of an unmap until it settles', async () => {
      const stuck = gate();
      let wait = false;
      const slow = stage.target({ needsVa: true, reply: () => (wait ? stuck.opened : Promise.resolve()) });
      await stage.manager.attach(slow);
      const region = await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
      wait = true;
      const command = region.removeMappings(range(0x0, 0x1000));
      await nextTurn();
      expect(stage.va.held()).to.have.length(1);
      stuck.open();
      await command;
      expect(stage.va.held()).to.deep.equal([]);
      stage.expectContractsKept();
    });
  });
});
