import type { Sample, Samples } from './question.js';

/** One case, wherever it runs. */
export interface Case {
  readonly rounds: number;
  readonly warmUps: number;
  run(): Promise<Sample>;
}

/**
 * Runs all cases in rounds: each case once per round, and each round begins with another case, so that temporary disturbances of the
 * machine affect all cases. Every case is warmed up before the first measured round.
 */
export async function runRounds(cases: readonly Case[], onRound: (done: number, of: number) => void): Promise<Samples> {
  const samples = new Map<string, number[]>();
  const rounds = Math.max(0, ...cases.map((one) => one.rounds));
  const warmUps = Math.max(0, ...cases.map((one) => one.warmUps));
  for (let round = -warmUps; round < rounds; round++) {
    onRound(round + warmUps, rounds + warmUps);
    const first = Math.floor((cases.length * (round + warmUps)) / Math.max(1, rounds));
    for (let index = 0; index < cases.length; index++) {
      const one = cases[(first + index) % cases.length];
      if (one === undefined || round < -one.warmUps || round >= one.rounds) {
        continue;
      }
      const sample = await one.run();
      if (round >= 0) {
        note(samples, sample);
      }
    }
  }
  return samples;
}

function note(samples: Map<string, number[]>, sample: Sample): void {
  for (const [id, value] of Object.entries(sample)) {
    const known = samples.get(id);
    if (known === undefined) {
      samples.set(id, [value]);
    } else {
      known.push(value);
    }
  }
}
