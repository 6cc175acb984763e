import { expect } from 'chai';
import fc from 'fast-check';
import type { ChangesMessage, Message } from '../../../inspect/wire/messages.js';
import { Replica } from '../../../inspect/page/model/replica.js';
import { applyChanges, NO_STATE, sizeOf, type State } from '../../../inspect/page/model/state.js';
import { anyChanges, changes, mapping, target } from './support/wire.js';

/** All of a state, as plain values. */
function plain({ regions, mappings, exceptions, ...rest }: State): unknown {
  return {
    ...rest,
    regions: regions.toArray(),
    mappings: mappings.toArray(),
    exceptions: [...exceptions]
      .map(([key, lists]) => [key, Object.values(lists).map((list) => list.toArray())] as const)
      .filter(([, lists]) => lists.some(({ length }) => length > 0))
      .sort(([a], [b]) => a - b),
  };
}

/** The messages that say at once all that is in a state. */
function fromScratch(state: State): ChangesMessage {
  return {
    type: 'changes',
    at: state.at,
    generation: state.generation,
    regions: state.regions.toArray(),
    mappings: state.mappings.toArray(),
    targets: state.targets,
    exceptions: [...state.exceptions].map(([key, lists]) => ({
      target: key,
      added: Object.values(lists).flatMap((list) => list.toArray()),
    })),
  };
}

describe('the state of the page', () => {
  it('is after many changes what one message makes of nothing', () => {
    fc.assert(
      fc.property(fc.array(anyChanges, { minLength: 1, maxLength: 12 }), (messages) => {
        const state = messages.reduce(applyChanges, NO_STATE);
        expect(plain(state)).to.deep.equal(plain(applyChanges(NO_STATE, fromScratch(state))));
        expect(state.mappedPages).to.equal(state.mappings.toArray().reduce((sum, one) => sum + sizeOf(one), 0));
      }),
    );
  });

  it('takes away before it adds: a mapping that replaces another one at the same address stays', () => {
    const before = applyChanges(NO_STATE, changes({ mappings: [mapping(0, 10)] }));
    const after = applyChanges(before, changes({ mappingsGone: [0], mappings: [mapping(0, 4), mapping(4, 10)] }));
    expect(after.mappings.toArray().map(({ pages }) => pages)).to.deep.equal([
      [0, 4],
      [4, 10],
    ]);
    expect(after.mappedPages).to.equal(10);
  });

  it('keeps targets in attach order when one changes, and forgets what one that is gone held', () => {
    const first = applyChanges(
      NO_STATE,
      changes({
        targets: [target(1), target(2)],
        exceptions: [{ target: 1, added: [{ kind: 'stuck', pages: [1, 2] }] }],
      }),
    );
    const second = applyChanges(first, changes({ targets: [target(1, { stuck: 3 })] }));
    expect(second.targets.map(({ key, stuck }) => [key, stuck])).to.deep.equal([
      [1, 3],
      [2, 0],
    ]);
    const third = applyChanges(second, changes({ targetsGone: [1] }));
    expect(third.targets.map(({ key }) => key)).to.deep.equal([2]);
    expect(third.exceptions.has(1)).to.equal(false);
    expect(second.exceptions.get(1)?.stuck.size).to.equal(1);
  });
});

describe('the copy that the page keeps', () => {
  const start = (server: string, protocol = 1): Message => ({
    type: 'start',
    protocol,
    server,
    description: 'd',
    at: 5000,
  });
  const ready: Message = { type: 'ready' };
  const note = (key: number) =>
    ({ kind: 'note', key, at: 1, severity: 'info', error: { message: key.toString() } }) as const;

  it('gives, back and forth in its history, the states that were', () => {
    fc.assert(
      fc.property(fc.array(anyChanges, { minLength: 1, maxLength: 10 }), fc.array(fc.nat(9)), (messages, visits) => {
        const replica = new Replica();
        replica.receive(start('a'), 0);
        replica.receive(ready, 0);
        const states = messages.map((message) => {
          replica.receive(message, 0);
          return plain(replica.state);
        });
        for (const visit of visits) {
          const index = visit % states.length;
          // Number 0 is the state at `ready`.
          const moment = replica.history.at(index + 1);
          expect(moment === undefined ? undefined : plain(moment.state)).to.deep.equal(states[index]);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('shows the state of before until the new one is whole', () => {
    const replica = new Replica();
    [start('a'), changes({ mappings: [mapping(0, 10)] }), ready].forEach((message) => replica.receive(message, 0));
    expect(replica.state.mappings.size).to.equal(1);
    replica.receive(start('b'), 0);
    replica.receive(changes({ mappings: [mapping(0, 1), mapping(2, 3)] }), 0);
    expect([replica.whole, replica.state.mappings.size, replica.history.last]).to.deep.equal([false, 1, 0]);
    replica.receive(ready, 0);
    expect([replica.whole, replica.state.mappings.size, replica.history.last]).to.deep.equal([true, 2, 1]);
  });

  it('adds an entry of the log once when the same server says it again after a new connection', () => {
    const replica = new Replica();
    const play = (server: string, keys: readonly number[]): void => {
      [start(server), changes({ log: keys.map(note) }), ready].forEach((message) => replica.receive(message, 0));
    };
    play('a', [0, 1]);
    play('a', [0, 1, 2]);
    expect(replica.log.count).to.equal(3);
    play('b', [0]);
    expect(replica.log.count).to.equal(4);
  });

  it('knows the clock of the server, the protocol of another version, and the end', () => {
    const replica = new Replica();
    replica.receive(start('a', 2), 3000);
    expect([replica.clockOffset, replica.otherProtocol, replica.ended]).to.deep.equal([2000, 2, false]);
    replica.receive({ type: 'end' }, 0);
    expect(replica.ended).to.equal(true);
  });

  it('says of each state what led to it', () => {
    const replica = new Replica();
    [start('a'), changes({ mappings: [mapping(0, 10), mapping(20, 30)] }), ready].forEach((message) =>
      replica.receive(message, 0),
    );
    replica.receive(
      changes({
        mappingsGone: [20, 99],
        mappings: [mapping(40, 41)],
        exceptions: [{ target: 1, added: [{ kind: 'stuck', pages: [20, 30] }] }],
        log: [
          {
            ...{ kind: 'set', key: 1, at: 1, generation: 2, sets: 3, status: 'undone' },
            ...{ maps: [], mapCount: 0, unmaps: [], unmapCount: 0, mapPages: 0, unmapPages: 0, answers: [] },
          },
        ],
      }),
      0,
    );
    const { mapped, unmapped, targets, sets, failed, logged } = replica.history.at(replica.history.last) ?? {};
    expect({ mapped, unmapped, targets, sets, failed, logged }).to.deep.equal({
      mapped: [[40, 41]],
      unmapped: [[20, 30]],
      targets: [{ target: 1, pages: [20, 30] }],
      sets: 3,
      failed: true,
      logged: 1,
    });
  });
});
