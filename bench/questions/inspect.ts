import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { MappingParams } from '../../streams/index.js';
import { filled, type Filled } from '../support/filled.js';
import { counted } from '../support/format.js';
import { idleKernelTarget } from '../support/idle-target.js';
import { OpenPage } from '../support/inspected.js';
import { INSPECT_RATIO } from '../support/limits.js';
import type { Figure, Host, Measured, Parameters, Question, Round, Sample, Samples } from '../support/question.js';
import { mapping } from '../support/scattered.js';
import { FigureMaker } from '../support/statistics.js';

const COUNTS = [100, 100_000];
const QUICK_COUNTS = [100];
/** Mappings in a set. 1: each change is a command of its own. */
const SETS = [64, 1];
const PAGES = ['none', 'one'] as const;
/** Ticks of the inspector in which one mapping is added and removed, for the bytes of a change. */
const SLOW_TICKS = 5;
const TICK_MS = 100;
/** After all mappings. */
const FIRST_PLACE = 1_000_000;
/** Changes between two turns of the event loop. */
const CHANGES_A_TURN = 1024;

export const inspect: Question = {
  name: 'inspect',
  title: 'cost of a change while a page of the inspector is open',
  about:
    'Mappings are added and removed as fast as possible, at a no-op target, with a turn of the event loop after 1,024 changes: without a page, and ' +
    'with one that takes all that it is sent. Processor time of the whole process, the connection and garbage collection included. ' +
    'Bytes: what one page is sent, by the number of changes.',

  hosts(quick: boolean): Host[] {
    return (quick ? QUICK_COUNTS : COUNTS).map((count) => ({
      name: `${count} mappings`,
      // Each round has several ticks of the inspector.
      parameters: { count, milliseconds: quick ? 250 : 1_500 },
      rounds: quick ? 2 : 11,
      warmUps: quick ? 1 : 3,
    }));
  },

  async setUp({ count, milliseconds }: Parameters): Promise<Measured> {
    const setup = await filled(Number(count));
    await setup.manager.attach(idleKernelTarget('idle'));
    const cases: Record<string, Round> = {};
    for (const set of SETS) {
      for (const pages of PAGES) {
        const id = idOf(Number(count), set, pages);
        cases[id] = () => round(setup, set, pages, id, Number(milliseconds));
      }
    }
    cases[`inspect/${String(count)}/bytes`] = () => slowRound(setup, `inspect/${String(count)}/bytes`);
    return { cases };
  },

  figures(samples: Samples): Figure[] {
    const make = new FigureMaker(samples);
    const all = COUNTS.flatMap((count) => SETS.map((set) => ({ count, set })));
    return [
      ...all.flatMap(({ count, set }) =>
        make.ratio(
          `inspect/${count}/${set}/ratio`,
          `${nameOf(count, set)}: × without a page`,
          idOf(count, set, 'one'),
          idOf(count, set, 'none'),
          { atMost: INSPECT_RATIO },
        ),
      ),
      ...all.flatMap(({ count, set }) =>
        PAGES.flatMap((pages) =>
          make.figure(idOf(count, set, pages), `${nameOf(count, set)}, ${pages} open`, 'ns', {
            baseline: pages === 'none',
          }),
        ),
      ),
      ...COUNTS.flatMap((count) => [
        ...make.figure(
          `inspect/${count}/bytes`,
          `bytes of a change, one at a time, ${counted(count, 'mapping')}`,
          'bytes',
        ),
        ...SETS.flatMap((set) =>
          make.figure(`${idOf(count, set, 'one')}/bytes`, `bytes of a change, ${nameOf(count, set)}`, 'bytes'),
        ),
      ]),
    ];
  },
};

function idOf(count: number, set: number, pages: (typeof PAGES)[number]): string {
  return `inspect/${count}/${set}/${pages}`;
}

function nameOf(count: number, set: number): string {
  return `${set === 1 ? 'single' : `set of ${set}`}, ${counted(count, 'mapping')}`;
}

/** Processor time of a change, in nanoseconds, while pages are open; and the bytes that a page is sent of it. */
async function round(
  setup: Filled,
  set: number,
  pages: (typeof PAGES)[number],
  id: string,
  milliseconds: number,
): Promise<Sample> {
  const page = pages === 'one' ? await OpenPage.of(setup.manager) : undefined;
  const start = process.cpuUsage();
  const end = performance.now() + milliseconds;
  let changes = 0;
  while (performance.now() < end) {
    for (let done = 0; done < CHANGES_A_TURN; done += 2 * set) {
      await change(setup, set, done);
    }
    changes += CHANGES_A_TURN;
    await nextTurn();
  }
  const { user, system } = process.cpuUsage(start);
  const sample = { [id]: ((user + system) * 1000) / changes };
  await page?.close();
  return page === undefined ? sample : { ...sample, [`${id}/bytes`]: page.bytes / changes };
}

async function slowRound(setup: Filled, id: string): Promise<Sample> {
  const page = await OpenPage.of(setup.manager);
  for (let tick = 0; tick < SLOW_TICKS; tick++) {
    await change(setup, 1, tick);
    await sleep(TICK_MS);
  }
  await sleep(TICK_MS);
  await page.close();
  return { [id]: page.bytes / (2 * SLOW_TICKS) };
}

/** A place after those that are there. */
function placeAfter(index: number): MappingParams {
  return mapping(FIRST_PLACE + index);
}

/** Adds a set after the mappings, and removes it. */
async function change({ manager, region }: Filled, set: number, from: number): Promise<void> {
  if (set === 1) {
    const params = placeAfter(from);
    await region.addMapping(params);
    await region.removeMappings(params.rangeInRegion);
    return;
  }
  const all = Array.from({ length: set }, (_, index) => placeAfter(from + index));
  await manager.transaction((edit) => {
    for (const params of all) {
      edit.addMapping(region, params);
    }
  });
  await manager.transaction((edit) => {
    for (const { rangeInRegion } of all) {
      edit.removeMappings(region, rangeInRegion);
    }
  });
}
