import type { MemoryRange } from '../../streams/index.js';
import { isPromiseLike, toAnswer } from '../../streams/internal.js';
import type { CheckBench } from './check-bench.js';
import type { ContractCheck } from './contract-check.js';
import { callText, type TestedTarget } from './tested-target.js';

/** When calls end, and what they leave unchanged. */
export const CALL_ENDS: readonly ContractCheck[] = [
  {
    name: 'has made or removed a map when the call ends, not later',
    rule: 'DmaTarget, order: a call has ended when it returns, or when its promise settles, or when its observable completes',
    applies: ({ sight }) => sight !== 'calls',
    async run(bench) {
      const tested = await bench.makeTarget();
      await checkEnd(bench, tested, 'mapDma', tested.requestOf(bench.mapAt(0, 2)), [bench.at(0, 2)]);
      await checkEnd(bench, tested, 'mapDma', tested.requestOf(bench.mapAt(4)), [bench.at(0, 2), bench.at(4)]);
      await checkEnd(bench, tested, 'unmapDma', bench.at(0, 2), [bench.at(4)]);
      await checkEnd(bench, tested, 'unmapDma', bench.at(4), []);
      if (tested.target.mapDmaBatch !== undefined) {
        const requests = [8, 9, 12].map((page) => tested.requestOf(bench.mapAt(page)));
        const ranges = [bench.at(8), bench.at(9), bench.at(12)];
        await checkEnd(bench, tested, 'mapDmaBatch', requests, ranges);
        if (tested.target.unmapDmaBatch !== undefined) {
          await checkEnd(bench, tested, 'unmapDmaBatch', ranges.slice(0, 2), ranges.slice(2));
        }
      }
    },
  },
  {
    name: 'can unmap a range whose map was cancelled, and then holds nothing of it',
    rule: 'DmaTarget, abort of an attach: the library unsubscribes from the observable of a map call and unmaps the range, which must not fail',
    async run(bench) {
      const tested = await bench.makeTarget();
      await tested.map(bench.mapAt(0));
      await cancel(bench, tested, 'mapDma', tested.requestOf(bench.mapAt(2, 2)), 0);
      await tested.unmap(bench.at(2, 2));
      await bench.turns();
      await tested.holds([bench.at(0)]);
      await tested.map(bench.mapAt(2));
      await tested.holdsMapped();
      await tested.empty();
    },
  },
  {
    name: 'can unmap each range of a batch that was cancelled, and then holds nothing of it',
    rule: 'DmaTarget, abort of an attach: the library unsubscribes from the observable of a batch as well, and unmaps each of its ranges',
    applies: ({ target }) => target.mapDmaBatch !== undefined,
    async run(bench) {
      for (const turns of [0, 1, 2]) {
        const tested = await bench.makeTarget();
        await tested.map(bench.mapAt(0));
        const changes = [2, 4, 6, 8].map((page) => bench.mapAt(page));
        const requests = changes.map((change) => tested.requestOf(change));
        await cancel(bench, tested, 'mapDmaBatch', requests, turns);
        for (const { range } of changes.toReversed()) {
          await tested.unmap(range);
        }
        await bench.turns();
        await tested.holds([bench.at(0)]);
        await tested.mapEach(changes);
        await tested.holdsMapped();
        await tested.empty();
        await bench.close();
      }
    },
  },
  {
    name: 'does not change the requests, ranges and lists that it is passed',
    rule: 'DmaMapRequest: all properties are read-only, and the lists of a batch as well',
    async run(bench) {
      const tested = await bench.makeTarget();
      const one = tested.requestOf(bench.mapAt(0, 2));
      const several = [4, 6, 7].map((page) => tested.requestOf(bench.mapAt(page, 1, { writable: page === 6 })));
      const ranges = several.map(({ range }) => range);
      await unchanged(tested, 'checkMaps', several);
      await unchanged(tested, 'mapDma', one);
      await unchanged(tested, 'mapDmaBatch', several);
      await unchanged(tested, 'unmapDmaBatch', ranges);
      await unchanged(tested, 'unmapDma', one.range);
    },
  },
];

/** Makes a call, looks at once when it has ended, and again some turns of the event loop later. */
async function checkEnd(
  bench: CheckBench,
  tested: TestedTarget,
  method: 'mapDma' | 'unmapDma' | 'mapDmaBatch' | 'unmapDmaBatch',
  argument: unknown,
  expected: readonly MemoryRange[],
): Promise<void> {
  const held = await tested.attempt(method, argument, () => tested.read());
  tested.compare(held, expected, `when ${callText(method, argument)} has ended`);
  await bench.turns();
  await tested.holds(expected, `some turns of the event loop after ${callText(method, argument)}`);
}

/**
 * Starts a call, and unsubscribes from its observable after a number of turns of the event loop, as an abort does. A call that ends in another
 * way is waited for.
 */
async function cancel(
  bench: CheckBench,
  tested: TestedTarget,
  method: 'mapDma' | 'mapDmaBatch',
  argument: unknown,
  turns: number,
): Promise<void> {
  bench.steps.begin(`${callText(method, argument)}, cancelled after ${turns} turns if it returns an observable`);
  const abort = new AbortController();
  if (turns === 0) {
    abort.abort();
  }
  await tested.inSet(async () => {
    const answer = toAnswer(tested.start(method, argument), abort.signal);
    if (isPromiseLike(answer)) {
      await bench.turns(turns);
      abort.abort();
      await answer.then(undefined, (error: unknown) => {
        if ((error as { readonly code?: unknown }).code !== 'ABORT_ERR') {
          throw error;
        }
      });
    }
  });
}

async function unchanged(
  tested: TestedTarget,
  method: 'checkMaps' | 'mapDma' | 'unmapDma' | 'mapDmaBatch' | 'unmapDmaBatch',
  argument: object,
): Promise<void> {
  if (tested.target[method] === undefined) {
    return;
  }
  const text = callText(method, argument);
  const before = partsOf(argument);
  await tested.call(method, argument);
  const after = partsOf(argument);
  const changed = [...new Set([...before.keys(), ...after.keys()])].filter(
    (part) => before.get(part) !== after.get(part),
  );
  if (changed.length > 0) {
    // Not the properties of an item that was replaced.
    const outer = changed.filter((part) => !changed.some((other) => part.startsWith(`${other}.`)));
    const how = outer.map((part) => `${part} from ${String(before.get(part))} to ${String(after.get(part))}`);
    throw tested.steps.breach(`${text} must not change what it is passed, but it changed ${how.join(', ')}`);
  }
}

/** Every property of a request, a range, or the items of a list, with its value. */
function partsOf(argument: object, prefix = ''): ReadonlyMap<string, unknown> {
  const parts = new Map<string, unknown>();
  for (const [key, value] of Object.entries(argument)) {
    parts.set(`${prefix}${key}`, value);
    if (Array.isArray(argument) || key === 'range' || key === 'hostVa') {
      partsOf(value as object, `${prefix}${key}.`).forEach((inner, part) => parts.set(part, inner));
    }
  }
  return parts;
}
