import type { BatchObservableResult, Meter } from '@opentelemetry/api';
import type { DmaError, Outcome } from '../../streams/index.js';
import type { BoundedNames } from './bounded-names.js';
import type { HeldTotal } from './held-totals.js';

/** In seconds: calls of a few microseconds in this process, up to large maps that pin memory. */
const DURATION_BOUNDARIES = [1e-5, 1e-4, 1e-3, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10];

/** The instruments of one meter, with the names that are used for targets and error codes. */
export class Instruments {
  readonly #meter: Meter;
  readonly #targets: BoundedNames;
  readonly #codes: BoundedNames;
  readonly #changes;
  readonly #bytes;
  readonly #failures;
  readonly #skipped;
  readonly #undone;
  readonly #warnings;
  readonly #duration;
  /** By the part of `HeldTotal` that they show. */
  readonly #held;

  constructor(meter: Meter, targets: BoundedNames, codes: BoundedNames) {
    this.#meter = meter;
    this.#targets = targets;
    this.#codes = codes;
    this.#changes = meter.createCounter('dma_streams.changes', {
      unit: '{change}',
      description: 'Maps and unmaps that took effect at a target',
    });
    this.#bytes = meter.createCounter('dma_streams.changes.size', {
      unit: 'By',
      description: 'Size of the maps and unmaps that took effect at a target',
    });
    this.#failures = meter.createCounter('dma_streams.sets.failed', {
      unit: '{set}',
      description: 'Change sets that failed at a target, by error code',
    });
    this.#skipped = meter.createCounter('dma_streams.maps.skipped', {
      unit: '{change}',
      description: 'Maps of device memory that a target could not make, by error code',
    });
    this.#undone = meter.createCounter('dma_streams.sets.undone', {
      unit: '{set}',
      description: 'Change sets of which maps were undone at a target',
    });
    this.#warnings = meter.createCounter('dma_streams.warnings', {
      unit: '{warning}',
      description: 'Warnings of the manager, by error code',
    });
    this.#duration = meter.createHistogram('dma_streams.set.duration', {
      unit: 's',
      description: 'Time in which a target answers the unmaps or the maps of a change set',
      advice: { explicitBucketBoundaries: DURATION_BOUNDARIES },
    });
    const gauge = (name: string, unit: string, description: string) =>
      meter.createObservableUpDownCounter(name, { unit, description });
    this.#held = {
      entries: gauge('dma_streams.held.entries', '{mapping}', 'Mappings that a target holds'),
      bytes: gauge('dma_streams.held.size', 'By', 'Size of the mappings that a target holds'),
      stuck: gauge('dma_streams.stuck', '{mapping}', 'Mappings that a target still holds because their unmap failed'),
      missing: gauge('dma_streams.missing', '{mapping}', 'Mappings that a target should hold and does not'),
      pending: gauge('dma_streams.pending', '{set}', 'Change sets that a target has not answered'),
    };
  }

  /** Counts an outcome of an attachment. */
  count(outcome: Outcome): void {
    const { maps, unmaps, bytes, milliseconds, status, error, skipped, undone } = outcome;
    const target = this.#targets.of(outcome.target);
    const operation = (unmaps ?? 0) > 0 ? 'unmap' : 'map';
    const took = (maps ?? 0) + (unmaps ?? 0);
    if (took > 0) {
      this.#changes.add(took, { target, operation });
      this.#bytes.add(Number(bytes ?? 0n), { target, operation });
    }
    if (milliseconds !== undefined) {
      this.#duration.record(milliseconds / 1000, { target });
    }
    if (status === 'failed') {
      this.#failures.add(1, { target, 'error.type': this.#codeOf(error) });
    }
    for (const one of skipped) {
      this.#skipped.add(1, { target, 'error.type': this.#codeOf(one) });
    }
    if (undone !== undefined && undone.length > 0) {
      this.#undone.add(1, { target });
    }
  }

  countWarning(warning: DmaError): void {
    this.#warnings.add(1, { 'error.type': this.#codeOf(warning) });
  }

  /**
   * Has what is held observed at each collection.
   *
   * @returns a function that ends this
   */
  observe(totals: () => ReadonlyMap<string, HeldTotal>): () => void {
    const held = this.#held;
    const keys = Object.keys(held) as (keyof HeldTotal)[];
    const callback = (result: BatchObservableResult): void => {
      for (const [target, total] of totals()) {
        for (const key of keys) {
          result.observe(held[key], total[key], { target });
        }
      }
    };
    const observables = Object.values(held);
    this.#meter.addBatchObservableCallback(callback, observables);
    return () => {
      this.#meter.removeBatchObservableCallback(callback, observables);
    };
  }

  #codeOf(error: DmaError | undefined): string {
    return this.#codes.of(error?.code ?? 'ERR_TARGET_FAILED');
  }
}
