import { MemoryRange, RegionManager, type Region } from '../../streams/index.js';
import { timed } from '../support/clock.js';
import { counted } from '../support/format.js';
import { idleTarget } from '../support/idle-target.js';
import { TOGGLE_MICROSECONDS } from '../support/limits.js';
import type { Figure, Host, Measured, Parameters, Question, Samples } from '../support/question.js';
import { slot } from '../support/scattered.js';
import { FigureMaker } from '../support/statistics.js';

const OTHERS = 100;
const MAPPINGS = [1, 100];
const TIMES = 500;

export const toggle: Question = {
  name: 'toggle',
  title: 'hiding and showing an overlay',
  about:
    'Two commands, each awaited: an overlay with the given number of mappings is hidden and shown again, among 100 other visible regions with ' +
    'one mapping each, at one no-op target. The overlay covers either nothing, or RAM with one mapping, which is then mapped and unmapped too.',

  hosts(quick: boolean): Host[] {
    const times = quick ? { rounds: 3, warmUps: 1 } : { rounds: 25, warmUps: 10 };
    return MAPPINGS.flatMap((mappings) =>
      [false, true].map((covers) => ({
        name: `${mappings} mappings, ${covers ? 'over RAM' : 'over nothing'}`,
        parameters: { mappings, covers },
        ...times,
      })),
    );
  },

  async setUp(parameters: Parameters): Promise<Measured> {
    const mappings = Number(parameters['mappings']);
    const covers = parameters['covers'] === true;
    const overlay = await setUpRegions(mappings, covers);
    const id = idOf(mappings, covers);
    return {
      cases: {
        [id]: async () => {
          const taken = await timed(async () => {
            for (let index = 0; index < TIMES; index++) {
              await overlay.unmap();
              await overlay.map({ writable: true });
            }
          });
          return { [id]: taken / 1000 / TIMES };
        },
      },
    };
  },

  figures(samples: Samples): Figure[] {
    const make = new FigureMaker(samples);
    return MAPPINGS.flatMap((mappings) =>
      [true, false].flatMap((covers) =>
        make.figure(
          idOf(mappings, covers),
          `hide and show, ${counted(mappings, 'mapping')}, over ${covers ? 'RAM' : 'nothing'}`,
          'µs',
          { atMost: TOGGLE_MICROSECONDS[mappings] },
        ),
      ),
    );
  },
};

function idOf(mappings: number, covers: boolean): string {
  return `toggle/${mappings}/${covers ? 'over-ram' : 'over-nothing'}`;
}

async function setUpRegions(mappings: number, covers: boolean): Promise<Region> {
  const manager = new RegionManager();
  const mappable = { fd: 0, label: 'bench' };
  const backing = { mappable, fileOffset: 0n };
  const size = MemoryRange.ofPages(0, 4096);
  const place = (index: number): MemoryRange => size.shift(BigInt(index) * size.length);
  const add = async (name: string, range: MemoryRange, rows: readonly MemoryRange[], priority = 0): Promise<Region> => {
    const region = await manager.addRegion({ name, range, priority, type: 'ram' });
    await manager.transaction((edit) => {
      for (const rangeInRegion of rows) {
        edit.addMapping(region, { rangeInRegion, backing, writable: true });
      }
    });
    await region.map({ writable: true });
    return region;
  };
  // The overlay is in the middle of them.
  for (let index = 0; index <= OTHERS; index++) {
    if (index !== OTHERS / 2) {
      await add(`other ${index}`, place(index), [size]);
    }
  }
  if (covers) {
    await add('below', place(OTHERS / 2), [size]);
  }
  const rows = Array.from({ length: mappings }, (_, index) => slot(index));
  const overlay = await add('overlay', place(OTHERS / 2), rows, 1);
  await manager.attach(idleTarget('idle'));
  return overlay;
}
