import { expect } from 'chai';
import { TestScheduler } from 'rxjs/testing';

/** A scheduler of virtual time for marble diagrams, which compares with chai. */
export function marbles(): TestScheduler {
  return new TestScheduler((actual, expected) => {
    expect(actual).to.deep.equal(expected);
  });
}
