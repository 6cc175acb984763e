import { expect } from 'chai';
import { Turns } from '../../../inspect/server/collect/turns.js';
import type { Onlooking } from '../../../streams/internal.js';

describe('Turns, while a command does not end', () => {
  it('keep one command in the queue, and nothing of work that was aborted', async () => {
    const queue: (() => void)[] = [];
    const onlooking = {
      commands: 0,
      inTurn: (work: () => void) => queue.push(work),
      prepare: () => Promise.resolve(),
    } as unknown as Onlooking;
    const turns = new Turns(onlooking, 2);
    const done: number[] = [];
    for (let round = 0; round < 5; round++) {
      const ending = new AbortController();
      const running = turns.run({
        step: () => {
          done.push(round);
          ending.abort();
          return true;
        },
        afterSlice: () => undefined,
        signal: ending.signal,
      });
      expect(await running).to.equal(undefined);
    }
    expect(queue).to.have.length(1);
    const before = done.length;
    queue[0]?.();
    expect(done).to.have.length(before);
    // After its turn the next work gives another one.
    void turns.run({ step: () => false, afterSlice: () => undefined, signal: AbortSignal.abort() });
    expect(queue).to.have.length(2);
  });
});
