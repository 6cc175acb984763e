/** One question that is measured: what is set up for it, in which processes, and what is made of the samples. */
export interface Question {
  /** As on the command line. */
  readonly name: string;
  readonly title: string;
  /** What is measured, and how, for whoever reads the figures: one or two sentences. */
  readonly about: string;
  /** The processes that it is measured in. Each has a heap and compiled code of its own, so that no case spoils another's. */
  hosts(quick: boolean): readonly Host[];
  /** In the process of a host: makes what is to be measured. */
  setUp(parameters: Parameters): Promise<Measured> | Measured;
  /** Makes figures of what was measured. */
  figures(samples: Samples): readonly Figure[];
}

export interface Host {
  readonly name: string;
  readonly parameters: Parameters;
  /** How often its cases are run, and how often before that, for nothing. */
  readonly rounds: number;
  readonly warmUps: number;
  /** Of Node.js, for instance a larger heap. */
  readonly nodeOptions?: readonly string[];
}

/** Crosses over to the host's process as JSON. */
export type Parameters = Readonly<Record<string, number | string | boolean>>;

/** One run of a case. What it returns is one sample of each figure that it measures, by the id of the figure. */
export type Round = () => Promise<Sample> | Sample;
export type Sample = Readonly<Record<string, number>>;

export interface Measured {
  readonly cases: Readonly<Record<string, Round>>;
  /** Said to whoever reads: what could not be measured, and why. */
  readonly warnings?: readonly string[];
  close?(): Promise<void> | void;
}

/** All samples of each figure, in the order of the rounds. */
export type Samples = ReadonlyMap<string, readonly number[]>;

export type Unit = 'ns' | 'µs' | 'ms' | 'bytes' | 'MiB' | 'times' | '%' | 'instructions';

export interface Figure {
  /** The same in every run: what a comparison goes by. */
  readonly id: string;
  readonly name: string;
  readonly unit: Unit;
  readonly samples: readonly number[];
  readonly median: number;
  readonly min: number;
  /** The distance between the quartiles, as a part of the median: the middle half of all rounds is that far apart. */
  readonly spread: number;
  /** The most that the median should be. */
  readonly atMost?: number;
  /** What it is to be seen beside, and is not a figure of this library. */
  readonly baseline?: true;
  /** The median as a multiple of baselines of the same run. */
  readonly ratios?: Readonly<Record<string, number>>;
}
