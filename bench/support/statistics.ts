import { interquartileRange, median, min } from 'simple-statistics';
import type { Figure, Samples, Unit } from './question.js';

interface Details {
  readonly atMost?: number | undefined;
  readonly baseline?: boolean;
  /** The ids of figures with which to compare it, by the name of the column. */
  readonly beside?: Readonly<Record<string, string>>;
}

/** Computes figures from samples; none if there are no samples. */
export class FigureMaker {
  readonly #samples: Samples;

  constructor(samples: Samples) {
    this.#samples = samples;
  }

  figure(id: string, name: string, unit: Unit, details: Details = {}): Figure[] {
    return this.#make(id, name, unit, this.#samples.get(id) ?? [], details);
  }

  /** The ratio of two figures that were measured in the same rounds, computed per round. */
  ratio(id: string, name: string, of: string, to: string, details: Details = {}): Figure[] {
    const divisors = this.#samples.get(to) ?? [];
    const ratios = (this.#samples.get(of) ?? []).flatMap((sample, index) => {
      const divisor = divisors[index];
      return divisor === undefined ? [] : [sample / divisor];
    });
    return this.#make(id, name, 'times', ratios, details);
  }

  #make(id: string, name: string, unit: Unit, samples: readonly number[], details: Details): Figure[] {
    if (samples.length === 0) {
      return [];
    }
    const { atMost, baseline, beside = {} } = details;
    const middle = median([...samples]);
    const ratios = Object.entries(beside).flatMap(([column, other]): [string, number][] => {
      const base = this.#samples.get(other) ?? [];
      return base.length === 0 ? [] : [[column, middle / median([...base])]];
    });
    return [
      {
        id,
        name,
        unit,
        samples,
        median: middle,
        min: min([...samples]),
        spread: middle === 0 ? 0 : interquartileRange([...samples]) / Math.abs(middle),
        ...(atMost === undefined ? {} : { atMost }),
        ...(baseline === true ? { baseline: true as const } : {}),
        ...(ratios.length === 0 ? {} : { ratios: Object.fromEntries(ratios) }),
      },
    ];
  }
}
