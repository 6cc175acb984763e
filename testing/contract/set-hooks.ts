import type { ContractCheck } from './contract-check.js';

/** Targets that are told of the begin and the end of sets. */
export const SET_HOOKS: readonly ContractCheck[] = [
  {
    name: 'accepts a set of which no call follows',
    rule: 'DmaTarget.beginSet and endSet: between the two calls the target may get no other one, as when its first map is refused',
    applies: ({ target }) => target.beginSet !== undefined || target.endSet !== undefined,
    async run(bench) {
      const tested = await bench.makeTarget();
      await tested.map(bench.mapAt(0));
      bench.steps.begin('a set without calls');
      await tested.inSet(() => Promise.resolve());
      await tested.holdsMapped();
      await tested.empty();
    },
  },
];
