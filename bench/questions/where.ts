import type { Figure, Host, Measured, Parameters, Question, Round, Samples } from '../support/question.js';
import { idleTarget } from '../support/idle-target.js';
import { profile } from '../support/profile.js';
import { filled } from '../support/filled.js';
import { FigureMaker } from '../support/statistics.js';
import { mapping } from '../support/scattered.js';

const COUNT = 10_000;
const SETS = [1, 64, 4096];
/** Files below this share are left out, in percent. */
const LEAST = 1;

export const where: Question = {
  name: 'where',
  title: 'where the time goes',
  about:
    'A sampling profile of changes at one no-op target with 10,000 mappings: the self time of each source file in percent, by set size.',

  hosts(quick: boolean): Host[] {
    const changes = quick ? 8192 : 400_000;
    return SETS.map((set) => ({
      name: `sets of ${set}`,
      parameters: { set, changes },
      rounds: quick ? 1 : 3,
      warmUps: 1,
    }));
  },

  async setUp(parameters: Parameters): Promise<Measured> {
    const set = Number(parameters['set']);
    const changes = Number(parameters['changes']);
    const { manager, region } = await filled(COUNT);
    await manager.attach(idleTarget('idle'));
    const add = (from: number): Promise<unknown> =>
      manager.transaction((edit) => {
        for (let index = from; index < from + set; index++) {
          edit.addMapping(region, mapping(COUNT + index));
        }
      });
    const remove = (from: number): Promise<unknown> =>
      manager.transaction((edit) => {
        for (let index = from; index < from + set; index++) {
          edit.removeMappings(region, mapping(COUNT + index).rangeInRegion);
        }
      });
    const work = async (): Promise<void> => {
      for (let done = 0; done < changes; done += 2 * set) {
        await add(done % COUNT);
        await remove(done % COUNT);
      }
    };
    const round: Round = async () =>
      Object.fromEntries([...(await profile(work))].map(([place, share]) => [`where/${set}/${place}`, share]));
    return { cases: { [`where/${set}`]: round } };
  },

  figures(samples: Samples): Figure[] {
    const make = new FigureMaker(samples);
    return SETS.flatMap((set) => {
      const prefix = `where/${set}/`;
      const name = set === 1 ? 'single' : `set of ${set.toLocaleString('en')}`;
      return [...samples.keys()]
        .filter((id) => id.startsWith(prefix))
        .flatMap((id) => make.figure(id, `${name}: ${id.slice(prefix.length)}`, '%'))
        .filter(({ median }) => median >= LEAST)
        .toSorted((a, b) => b.median - a.median);
    });
  },
};
