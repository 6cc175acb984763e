import type { Sample, Samples } from './question.js';

/** One case, wherever it runs. */
export interface Case {
  readonly rounds: number;
  readonly warmUps: number;
  run(): Promise<Sample>;
}

/**
 * Runs all cases in rounds: each case once a round, and each round begins with another one, so that what comes over the machine for a
 * while comes over all of them. Before the first round that counts every case has warmed up.
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
