import { stallScenes } from '../stalls/index.js';
import { memoryScenes } from '../stalls/memory.js';
import { ramBlocksScenes } from '../stalls/ram-blocks.js';
import type { Scene } from '../stalls/scene.js';
import { counted } from '../support/format.js';
import { STALL_MS } from '../support/limits.js';
import type { Figure, Host, Measured, Parameters, Question, Round, Samples } from '../support/question.js';
import { StallMeter } from '../support/stall.js';
import { FigureMaker } from '../support/statistics.js';

const COUNT = 100_000;
const QUICK_COUNT = 4000;

const scenes = [...stallScenes, ...memoryScenes, ...ramBlocksScenes];

export const stall: Question = {
  name: 'stall',
  title: 'longest stall of the event loop',
  about:
    `All operations on ${COUNT.toLocaleString('en')} mappings, regions or pages at once: change, attach, compare, repair, close. The stall is ` +
    'the longest delay of a timer of one millisecond. Functions of the caller, for instance the body of a transaction, are excluded. The ' +
    'limit applies to the library without garbage collection; the stall including garbage collection is shown as a baseline.',

  hosts(quick: boolean): Host[] {
    return quick
      ? [{ name: 'all', parameters: { count: QUICK_COUNT }, rounds: 1, warmUps: 0 }]
      : scenes.map(({ name }) => ({
          name,
          parameters: { count: COUNT, name },
          rounds: 3,
          warmUps: 1,
          nodeOptions: ['--expose-gc'],
        }));
  },

  setUp({ count: given, name: wanted }: Parameters): Measured {
    const count = Number(given);
    const chosen = scenes.filter(({ name }) => wanted === undefined || name === wanted);
    return { cases: Object.fromEntries(chosen.map((scene) => [scene.name, roundOf(scene, count)])) };
  },

  figures(samples: Samples): Figure[] {
    const make = new FigureMaker(samples);
    return [QUICK_COUNT, COUNT].flatMap((count) =>
      scenes.flatMap(({ name }) => {
        const id = idOf(name, count);
        const title = `${name}, of ${counted(count, 'mapping')}`;
        return [
          ...make.figure(id, title, 'ms', { atMost: STALL_MS }),
          ...make.figure(`${id}/whole`, `${title}, with the collector`, 'ms', { baseline: true }),
        ];
      }),
    );
  },
};

/** Each round has a new stage. */
function roundOf(scene: Scene, count: number): Round {
  return async () => {
    const meter = new StallMeter();
    const work = await scene.setUp(count, meter);
    const { whole, withoutCollector } = await meter.longest(work);
    const id = idOf(scene.name, count);
    return { [id]: withoutCollector, [`${id}/whole`]: whole };
  };
}

function idOf(name: string, count: number): string {
  return `stall/${count}/${name.replaceAll(/[^a-z]+/g, '-')}`;
}
