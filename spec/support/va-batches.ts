import type { FakeVaMapperOptions } from '../../testing/index.js';

/** The batch methods of a VA mapper: none, methods that end at once, or a release that ends later. */
export type VaBatches = NonNullable<FakeVaMapperOptions['batches']>;

export const VA_BATCHES: readonly VaBatches[] = ['none', 'sync', 'async'];

/** A suite for each kind of batch methods of a VA mapper. All of the suite holds for all of them. */
export function describeWithVaBatches(title: string, suite: (batches: VaBatches) => void): void {
  for (const batches of VA_BATCHES) {
    describe(`${title}, with a VA mapper whose batches are: ${batches}`, () => {
      suite(batches);
    });
  }
}
