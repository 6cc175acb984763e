import { expect } from 'chai';
import { SerialQueue } from '../../../streams/util/serial-queue.js';
import { tickingClock } from '../support/ticking-clock.js';
import { gate, nextTurn, rejectionOf } from '../support/phrases.js';

describe('SerialQueue', () => {
  let queue: SerialQueue;
  let log: string[];

  beforeEach(() => {
    queue = new SerialQueue();
    log = [];
  });

  it('runs a command inside the call if no other command is running', async () => {
    const done = queue.run(() => {
      log.push('ran');
      return 5;
    });
    log.push('returned');
    expect(await done).to.equal(5);
    expect(log).to.deep.equal(['ran', 'returned']);
  });

  it('runs commands one at a time, in the order of the calls, whatever time they take', async () => {
    const command = (name: string, turns: number) => async (): Promise<string> => {
      log.push(`${name} begins`);
      for (let turn = 0; turn < turns; turn++) {
        await nextTurn();
      }
      log.push(`${name} ends`);
      return name;
    };
    const results = await Promise.all([
      queue.run(command('slow', 5)),
      queue.run(command('quick', 1)),
      queue.run(() => {
        log.push('at once');
        return 'at once';
      }),
      queue.run(command('last', 0)),
    ]);
    expect(results).to.deep.equal(['slow', 'quick', 'at once', 'last']);
    expect(log).to.deep.equal([
      'slow begins',
      'slow ends',
      'quick begins',
      'quick ends',
      'at once',
      'last begins',
      'last ends',
    ]);
  });

  it('lets a command that is given inside another one wait for its end', async () => {
    let inner: Promise<void> | undefined;
    await queue.run(() => {
      inner = queue.run(() => {
        log.push('inner');
      });
      log.push('outer');
    });
    await inner;
    expect(log).to.deep.equal(['outer', 'inner']);
  });

  it('rejects like the command, and continues with the next one', async () => {
    const later = gate();
    const commands = [
      rejectionOf(queue.run(() => later.opened)),
      rejectionOf(
        queue.run(() => {
          throw new Error('at once');
        }),
      ),
      queue.run(() => 'fine'),
    ] as const;
    later.fail(new Error('later'));
    const [first, second, third] = await Promise.all(commands);
    expect([first.message, second.message, third]).to.deep.equal(['later', 'at once', 'fine']);
    expect(
      (
        await rejectionOf(
          queue.run(() => {
            throw new Error('alone');
          }),
        )
      ).message,
    ).to.equal('alone');
    expect(await queue.run(() => 'still fine')).to.equal('still fine');
  });

  describe('hold', () => {
    it('does its work immediately, and lets commands that are given meanwhile wait for its end', async () => {
      let caused: Promise<void> | undefined;
      queue.hold(() => {
        caused = queue.run(() => {
          log.push('caused');
        });
        log.push('held');
      });
      await caused;
      expect(log).to.deep.equal(['held', 'caused']);
    });

    it('does its work immediately also during a command', async () => {
      const blocked = gate();
      const command = queue.run(() => blocked.opened);
      queue.hold(() => log.push('held'));
      const next = queue.run(() => {
        log.push('next');
      });
      expect(log).to.deep.equal(['held']);
      blocked.open();
      await Promise.all([command, next]);
      expect(log).to.deep.equal(['held', 'next']);
    });

    it('lets the queue continue when its work throws', async () => {
      expect(() => {
        queue.hold(() => {
          throw new Error('boom');
        });
      }).to.throw('boom');
      expect(await queue.run(() => 1)).to.equal(1);
    });
  });

  describe('settles promises in the order of their commands', () => {
    const settled = (): string[] => log.filter((line) => line.startsWith('settled '));

    /** Gives a command, and notes when its promise settles: with a callback that is there right after the call. */
    function give(name: string, command: () => unknown): void {
      const note = (): void => void log.push(`settled ${name}`);
      queue.run(command).then(note, note);
    }

    function fail(): never {
      throw new Error('no');
    }

    it('if some end synchronously and wait for a slow one', async () => {
      const blocked = gate();
      give('slow', () => blocked.opened);
      give('at once', () => undefined);
      give('fails', fail);
      give('rejects', () => Promise.reject(new Error('no')));
      give('last', () => undefined);
      blocked.open();
      await nextTurn();
      expect(settled()).to.deep.equal(['slow', 'at once', 'fails', 'rejects', 'last'].map((name) => `settled ${name}`));
    });

    for (const [how, outer] of [
      ['ends synchronously', () => undefined],
      ['throws', fail],
      ['returns a promise', () => Promise.resolve()],
    ] as const) {
      it(`if some are given inside another one, which ${how}, and some after it`, async () => {
        give('outer', () => {
          give('inner', () => {
            give('innermost', () => undefined);
          });
          give('inner, failing', fail);
          return outer();
        });
        give('behind', () => undefined);
        give('behind, waited for', () => Promise.resolve());
        await nextTurn();
        give('later', () => undefined);
        await nextTurn();
        expect(settled()).to.deep.equal(
          ['outer', 'inner', 'inner, failing']
            .concat(
              how === 'returns a promise'
                ? ['behind', 'behind, waited for', 'innermost', 'later']
                : ['innermost', 'behind', 'behind, waited for', 'later'],
            )
            .map((name) => `settled ${name}`),
        );
      });
    }

    it('if they are given inside hold', async () => {
      queue.hold(() => {
        give('first', () => {
          give('third', () => undefined);
        });
        give('second', () => Promise.resolve());
      });
      give('fourth', () => undefined);
      await nextTurn();
      expect(settled()).to.deep.equal(['settled first', 'settled second', 'settled third', 'settled fourth']);
    });
  });

  it('runs 100,000 waiting commands in linear time, without a stack overflow', async () => {
    const blocked = gate();
    const commands = [queue.run(() => blocked.opened)];
    let sum = 0;
    for (let number = 0; number < 100_000; number++) {
      commands.push(
        queue.run(() => {
          sum += 1;
        }),
      );
    }
    blocked.open();
    await Promise.all(commands);
    expect(sum).to.equal(100_000);
  }).timeout(20_000);

  describe('with a clock that advances by half a millisecond at each reading', () => {
    let restoreClock: () => void;

    beforeEach(() => {
      restoreClock = tickingClock(0.5);
    });

    afterEach(() => {
      restoreClock();
    });

    it('pauses for the event loop between waiting commands, keeps their order, and runs commands given meanwhile last', async () => {
      const blocked = gate();
      const done = [queue.run(() => blocked.opened)];
      const ran: number[] = [];
      for (let number = 0; number < 5000; number++) {
        done.push(queue.run(() => void ran.push(number)));
      }
      blocked.open();
      let before = 0;
      let most = 0;
      let late = false;
      while (ran.length < 5000) {
        await nextTurn();
        most = Math.max(most, ran.length - before);
        before = ran.length;
        if (!late && ran.length > 0) {
          late = true;
          done.push(queue.run(() => void ran.push(5000)));
        }
      }
      await Promise.all(done);
      expect(most).to.be.within(1, 100);
      expect(ran).to.deep.equal(Array.from({ length: 5001 }, (_, number) => number));
    });

    it('runs a command inside the call, whatever was done before in the same turn of the event loop', () => {
      for (let number = 0; number < 1000; number++) {
        let ran = false;
        void queue.run(() => {
          ran = true;
        });
        expect(ran).to.equal(true);
      }
    });
  });
});
