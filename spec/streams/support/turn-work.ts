/**
 * Run as a worker: plays scenes, and counts the work that is done between two turns of the event loop. A worker has a heap of its own, so that
 * counting there disturbs no coverage that is measured of the specs.
 *
 * The clock advances at each reading, so that a turn has the same number of steps on any machine.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { Meter } from '../../../bench/stalls/scene.js';
import { ExecutionCounts } from './execution-counts.js';
import { limitsOf } from './turn-limits.js';
import { stallScenes } from '../../../bench/stalls/index.js';

/** The piece of code that ran most often in one turn of the event loop. */
export interface TurnWork {
  readonly scene: string;
  readonly times: number;
  /** File, function, and the offset of its start in characters. */
  readonly code: string;
  readonly turns: number;
  readonly failure?: string;
}

/** How far the clock advances at each reading, in milliseconds. */
let tick = 1;

/** Files that are not counted: loops over the items of one tree node, binary searches, and the code that checks the clock and waits. */
const NOT_COUNTED = /\/(btree-block|btree-level|btree-balance|sorted-list|time-slice|coroutine)\.js$/;

let now = 0;
Object.defineProperty(performance, 'now', { value: () => (now += tick) });

const executions = new ExecutionCounts();

/** The number of executions of each piece of code since the last call. */
function takeCounts(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { url, functions } of executions.take()) {
    if (NOT_COUNTED.test(url)) {
      continue;
    }
    for (const { functionName, ranges } of functions) {
      if (functionName === '#find') {
        continue; // It goes down a tree.
      }
      for (const { count, startOffset } of ranges) {
        counts.set(`${url.slice(url.lastIndexOf('/') + 1)} ${functionName} at ${startOffset}`, count);
      }
    }
  }
  return counts;
}

/** Counts the work of each turn while `work` goes on. */
class Watch implements Meter {
  times = 0;
  code = '';
  turns = 0;
  /** Of the turn under way, from before functions of the caller. */
  #counts = new Map<string, number>();
  #watching = false;

  own<T>(work: () => T): T {
    if (!this.#watching) {
      return work();
    }
    this.#add();
    try {
      return work();
    } finally {
      takeCounts();
    }
  }

  async during(work: () => Promise<unknown>): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    takeCounts();
    this.#watching = true;
    const tick = (): void => {
      if (this.#watching) {
        this.#endTurn();
        setImmediate(tick);
      }
    };
    setImmediate(tick);
    try {
      await work();
    } finally {
      this.#endTurn();
      this.#watching = false;
    }
  }

  #add(): void {
    for (const [code, count] of takeCounts()) {
      this.#counts.set(code, (this.#counts.get(code) ?? 0) + count);
    }
  }

  #endTurn(): void {
    this.#add();
    this.turns += 1;
    for (const [code, count] of this.#counts) {
      if (count > this.times) {
        this.times = count;
        this.code = code;
      }
    }
    this.#counts = new Map();
  }
}

async function play(name: string): Promise<TurnWork> {
  const scene = stallScenes.find((one) => one.name === name);
  const watch = new Watch();
  const { count } = limitsOf(scene);
  tick = scene?.inBatches === true ? 1 : 1 / 4;
  try {
    const work = await scene?.setUp(count, watch);
    await watch.during(() => work?.() ?? Promise.reject(new Error('there is no such scene')));
    return { scene: name, times: watch.times, code: watch.code, turns: watch.turns };
  } catch (error) {
    return { scene: name, times: 0, code: '', turns: 0, failure: String(error) };
  }
}

const { names } = workerData as { readonly names: readonly string[] };
for (const name of names) {
  parentPort?.postMessage(await play(name));
}
executions[Symbol.dispose]();
