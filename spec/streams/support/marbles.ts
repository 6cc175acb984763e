import { expect } from 'chai';
import { TestScheduler } from 'rxjs/testing';

/** Time that a marble diagram can tell of; what differs shows as chai shows it. */
export function marbles(): TestScheduler {
  return new TestScheduler((actual, expected) => {
    expect(actual).to.deep.equal(expected);
  });
}
