/** One benchmark question: its setup, its processes, and the evaluation of its samples. */
export interface Question {
  /** As on the command line. */
  readonly name: string;
  readonly title: string;
  /** What is measured, and how, in one or two sentences. Printed with the figures. */
  readonly about: string;
  /** The processes that it is measured in. Each has a separate heap and compiled code, so that cases do not influence one another. */
  hosts(quick: boolean): readonly Host[];
  /** Runs in the process of a host: creates the cases. */
  setUp(parameters: Parameters): Promise<Measured> | Measured;
  /** Computes the figures from the samples. */
  figures(samples: Samples): readonly Figure[];
}

export interface Host {
  readonly name: string;
  readonly parameters: Parameters;
  /** The number of rounds, and of warm-up rounds before them. */
  readonly rounds: number;
  readonly warmUps: number;
  /** Options of Node.js, for instance a larger heap. */
  readonly nodeOptions?: readonly string[];
}

/** Passed to the host's process as JSON. */
export type Parameters = Readonly<Record<string, number | string | boolean>>;

/** One run of a case. What it returns is one sample of each figure that it measures, by the id of the figure. */
export type Round = () => Promise<Sample> | Sample;
export type Sample = Readonly<Record<string, number>>;

export interface Measured {
  readonly cases: Readonly<Record<string, Round>>;
  /** Printed with the figures: what could not be measured, and why. */
  readonly warnings?: readonly string[];
  close?(): Promise<void> | void;
}

/** All samples of each figure, in the order of the rounds. */
export type Samples = ReadonlyMap<string, readonly number[]>;

export type Unit = 'ns' | 'µs' | 'ms' | 'bytes' | 'MiB' | 'times' | '%' | 'instructions' | 'requests' | 'rectangles';

export interface Figure {
  /** The same in every run; comparisons match figures by it. */
  readonly id: string;
  readonly name: string;
  readonly unit: Unit;
  readonly samples: readonly number[];
  readonly median: number;
  readonly min: number;
  /** The distance between the quartiles, as a part of the median: the middle half of all rounds is that far apart. */
  readonly spread: number;
  /** The limit for the median. */
  readonly atMost?: number;
  /** Whether it is a baseline, not a figure of this library. */
  readonly baseline?: true;
  /** The median as a multiple of baselines of the same run. */
  readonly ratios?: Readonly<Record<string, number>>;
}
