import type { Meter } from '@opentelemetry/api';
import { mergeMap, pairwise, startWith, Subscription } from 'rxjs';
import type { Attachment, RegionManager } from '../../streams/index.js';
import { checkCount, checkManager, checkOptions } from '../../streams/internal.js';
import { BoundedNames } from './bounded-names.js';
import { HeldTotals } from './held-totals.js';
import { Instruments } from './instruments.js';

/** Options of `instrument`. */
export interface InstrumentOptions {
  /**
   * Most different names of targets, 1 or more: names beyond are counted together, as `_OTHER`. Give the targets of devices that come and go
   * names that come again, or a back end of metrics keeps a series for each of them. Default: 100.
   */
  readonly maxTargets?: number;
}

/** Metrics of a manager that are being taken. */
export interface Instrumentation extends Disposable {
  /** Ends it: nothing is subscribed to and no callback is registered any more. Calling it again has no effect. */
  dispose(): void;
}

/** Most different error codes: more than this library and the kernel have. Custom targets may use any. */
const CODES_MAX = 200;

/**
 * Takes metrics of a manager, for OpenTelemetry.
 *
 * | instrument | kind, unit | attributes | what it counts |
 * | --- | --- | --- | --- |
 * | `dma_streams.set.duration` | histogram, s | target | time in which a target answers the unmaps or the maps of a change set |
 * | `dma_streams.changes` | counter | target, operation | maps and unmaps that took effect |
 * | `dma_streams.changes.size` | counter, By | target, operation | their size |
 * | `dma_streams.sets.failed` | counter | target, error.type | change sets that failed |
 * | `dma_streams.sets.undone` | counter | target | change sets of which maps were undone |
 * | `dma_streams.maps.skipped` | counter | target, error.type | maps of device memory that were skipped |
 * | `dma_streams.warnings` | counter | error.type | warnings of the manager |
 * | `dma_streams.held.entries`, `.size` | up-down counter, By | target | mappings that a target holds now, and their size |
 * | `dma_streams.stuck`, `.missing` | up-down counter | target | mappings that it should not hold, or should hold |
 * | `dma_streams.pending` | up-down counter | target | change sets that it has not answered |
 *
 * `target` is `Attachment.target`; attachments with the same name are added up. `operation` is `map` or `unmap`, `error.type` the code of the
 * error. A target that is no longer attached shows zeros. The number of attribute values is limited: see `InstrumentOptions.maxTargets`. What is held is listed at each collection, which
 * takes a fraction of a microsecond for each mapping.
 *
 * Attachments that exist are included, and those that come. It ends by itself when the manager has been closed and no attachment is left,
 * except for the callback of the meter: call `dispose()`. The SDK repeats the last values of what is held after that, in each collection. It never affects a command: what the meter throws is reported as an uncaught error.
 *
 * @param meter of `@opentelemetry/api`; that package is needed for nothing else
 * @throws TypeError when an argument is none; RangeError for a wrong option
 *
 * @example
 * ```ts
 * import { metrics } from '@opentelemetry/api';
 * import { RegionManager } from 'dma-streams';
 * import { instrument } from 'dma-streams/inspect';
 *
 * await using manager = new RegionManager();
 * using instrumentation = instrument(manager, metrics.getMeter('vmm'));
 * ```
 */
export function instrument(manager: RegionManager, meter: Meter, options: InstrumentOptions = {}): Instrumentation {
  checkManager(manager, 'instrument');
  checkMeter(meter);
  checkOptions(options, { maxTargets: true }, 'instrument');
  const { maxTargets = 100 } = options;
  checkCount(maxTargets, 'maxTargets of instrument');

  const targets = new BoundedNames(maxTargets);
  const instruments = new Instruments(meter, targets, new BoundedNames(CODES_MAX));
  const all = new Subscription();
  const report = (error: unknown): never => {
    throw error; // None of these streams errors.
  };
  all.add(
    manager.attachments$
      .pipe(
        startWith([] as readonly Attachment[]),
        pairwise(),
        mergeMap(([before, after]) => after.filter((attachment) => !before.includes(attachment))),
        mergeMap(({ outcomes$ }) => outcomes$),
      )
      .subscribe({
        next: (outcome) => {
          instruments.count(outcome);
        },
        error: report,
      }),
  );
  all.add(
    manager.warnings$.subscribe({
      next: (warning) => {
        instruments.countWarning(warning);
      },
      error: report,
    }),
  );
  const held = new HeldTotals(targets);
  all.add(instruments.observe(() => held.of(manager.attachments)));
  const dispose = (): void => {
    all.unsubscribe();
  };
  return { dispose, [Symbol.dispose]: dispose };
}

/** @throws TypeError */
function checkMeter(meter: unknown): void {
  const methods = ['createCounter', 'createHistogram', 'addBatchObservableCallback'] as const;
  const isMeter =
    typeof meter === 'object' &&
    meter !== null &&
    methods.every((method) => typeof (meter as Partial<Meter>)[method] === 'function');
  if (!isMeter) {
    throw new TypeError("a meter of @opentelemetry/api is needed: metrics.getMeter('name') makes one");
  }
}
