import type { Figure, Host, Measured, Parameters, Question, Samples } from '../support/question.js';
import { counted } from '../support/format.js';
import { BRANCH_RATIO, GROWTH, STD_MAP_RATIOS } from '../support/limits.js';
import { FigureMaker } from '../support/statistics.js';
import { changeBaselines } from './change-baselines.js';
import {
  BRANCH_COUNT,
  branchIdOf,
  branchNameOf,
  BRANCH_SETS,
  COUNTS,
  idOf,
  nameOf,
  ORDERS,
  QUICK_BRANCH_COUNT,
  QUICK_COUNTS,
  SETS,
  TARGETS,
  type Order,
} from './change-cases.js';
import { setUpBranches, setUpChanges } from './change-rounds.js';

/** Mapping counts that are also measured with a target that takes sets. */
const BATCH_COUNTS = [100, 100_000];
const ALL_COUNTS = [...new Set([...QUICK_COUNTS, ...COUNTS])].toSorted((a, b) => a - b);
/** The size of a set at which changes are compared with `std::map`. */
const LIMITED_SET = 64;

/** The part of the changes that a quick run makes. */
const QUICK_WORK = 0.125;

export const change: Question = {
  name: 'change',
  title: 'cost of a change',
  about:
    'One mapping is added to or removed from a visible region with many mappings, at no-op targets. Each command is awaited. Limits apply to ' +
    'random places, as multiples of std::map with a virtual call. Sequential places are shown for comparison: there the memory is in the ' +
    'processor caches. A branch by hand is attach((changes$) => changes$.pipe(toTarget(target))).',

  hosts(quick: boolean): Host[] {
    const counts = quick ? QUICK_COUNTS : COUNTS;
    const times = quick ? { rounds: 2, warmUps: 1 } : { rounds: 15, warmUps: 8 };
    const work = quick ? QUICK_WORK : 1;
    const changes = counts.flatMap((count) => [
      ...TARGETS.map((targets) => ({ count, targets, batch: false, work })),
      ...(BATCH_COUNTS.includes(count) ? [{ count, targets: 1, batch: true, work }] : []),
    ]);
    return [
      { name: 'baselines', parameters: { counts: counts.join(' ') }, ...times },
      ...changes.map((parameters) => ({
        name: `${parameters.count} mappings, ${parameters.targets} targets`,
        parameters,
        ...times,
      })),
      {
        name: 'a branch by hand',
        parameters: { branch: true, count: quick ? QUICK_BRANCH_COUNT : BRANCH_COUNT, work },
        ...times,
      },
    ];
  },

  setUp(parameters: Parameters): Promise<Measured> {
    if ('counts' in parameters) {
      return changeBaselines(parameters, TARGETS);
    }
    return parameters['branch'] === true ? setUpBranches(parameters) : setUpChanges(parameters);
  },

  figures(samples: Samples): Figure[] {
    return [
      ...ratioFigures(samples),
      ...pipelineFigures(samples),
      ...branchFigures(samples),
      ...growthFigures(samples),
      ...baselineFigures(samples),
    ];
  },
};

/** The figures that have limits: multiples of `std::map`, and of a target that is attached as it is. */
function ratioFigures(samples: Samples): Figure[] {
  const make = new FigureMaker(samples);
  return [
    ...ALL_COUNTS.flatMap((count) => {
      const atMost = STD_MAP_RATIOS[count];
      const id = idOf(count, 1, LIMITED_SET, 'random');
      const name = `${nameOf(LIMITED_SET, 1, false, 'random')}, ${counted(count, 'mapping')}: × std::map`;
      return atMost === undefined
        ? []
        : make.ratio(`${id}/ratio`, name, id, `change/std-map/${count}/1/random`, { atMost });
    }),
    ...branchCases().flatMap(({ count, set }) =>
      make.ratio(
        `change/branch/${count}/${set}/ratio`,
        `${branchNameOf(count, set)}: × attach(target)`,
        branchIdOf(count, set, 'branch'),
        branchIdOf(count, set, 'target'),
        { atMost: BRANCH_RATIO },
      ),
    ),
  ];
}

function branchFigures(samples: Samples): Figure[] {
  const make = new FigureMaker(samples);
  return branchCases().flatMap(({ count, set }) => {
    const name = branchNameOf(count, set);
    return [
      ...make.figure(branchIdOf(count, set, 'branch'), name, 'ns'),
      ...make.figure(branchIdOf(count, set, 'target'), `${name}: attach(target) beside it`, 'ns', {
        baseline: true,
      }),
    ];
  });
}

function branchCases(): { readonly count: number; readonly set: number }[] {
  return [QUICK_BRANCH_COUNT, BRANCH_COUNT].flatMap((count) => BRANCH_SETS.map((set) => ({ count, set })));
}

/** The figures of these cases, in this order. */
function* measured(samples: Samples): Generator<{
  readonly count: number;
  readonly targets: number;
  readonly batch: boolean;
  readonly set: number;
  readonly order: Order;
  readonly id: string;
}> {
  for (const order of ORDERS) {
    for (const targets of TARGETS) {
      for (const batch of [false, true]) {
        for (const set of SETS) {
          for (const count of ALL_COUNTS) {
            const id = idOf(count, targets, set, order, batch);
            if (samples.has(id)) {
              yield { count, targets, batch, set, order, id };
            }
          }
        }
      }
    }
  }
}

function pipelineFigures(samples: Samples): Figure[] {
  const make = new FigureMaker(samples);
  return [...measured(samples)].flatMap(({ count, targets, batch, set, order, id }) => {
    return make.figure(id, `${nameOf(set, targets, batch, order)}, ${count.toLocaleString('en')} mappings`, 'ns', {
      beside: {
        loop: `change/loop/${targets}`,
        'std::map': `change/std-map/${count}/${targets}/${order}`,
      },
    });
  });
}

function growthFigures(samples: Samples): Figure[] {
  const make = new FigureMaker(samples);
  const smallest = COUNTS[0] ?? 0;
  return [...measured(samples)].flatMap(({ count, targets, batch, set, order, id }) => {
    if (count < 100_000) {
      return [];
    }
    const to = idOf(smallest, targets, set, order, batch);
    const name = `growth to ${count.toLocaleString('en')} mappings: ${nameOf(set, targets, batch, order)}`;
    return make.ratio(`growth/${id}`, name, id, to, { atMost: order === 'random' ? GROWTH[count] : undefined });
  });
}

function baselineFigures(samples: Samples): Figure[] {
  const make = new FigureMaker(samples);
  const baseline = { baseline: true };
  const smallest = COUNTS[0] ?? 0;
  return [
    ...make.figure('change/native', 'a bare call into the addon', 'ns', baseline),
    ...TARGETS.flatMap((targets) => [
      ...make.figure(`change/loop/${targets}`, `a loop over ${counted(targets, 'function')}`, 'ns', baseline),
      ...make.figure(
        `change/emitter/${targets}`,
        `an EventEmitter with ${counted(targets, 'listener')}`,
        'ns',
        baseline,
      ),
    ]),
    ...ORDERS.flatMap((order) =>
      TARGETS.flatMap((targets) =>
        ALL_COUNTS.flatMap((count) => [
          ...make.figure(
            `change/std-map/${count}/${targets}/${order}`,
            `std::map, ${counted(targets, 'virtual call')}, ${order}, ${count.toLocaleString('en')} mappings`,
            'ns',
            baseline,
          ),
          ...(count < 100_000
            ? []
            : make.ratio(
                `growth/change/std-map/${count}/${targets}/${order}`,
                `growth to ${count.toLocaleString('en')} mappings: std::map, ${counted(targets, 'virtual call')}, ${order}`,
                `change/std-map/${count}/${targets}/${order}`,
                `change/std-map/${smallest}/${targets}/${order}`,
                baseline,
              )),
        ]),
      ),
    ),
  ];
}
