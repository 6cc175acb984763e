import type { Memfd } from '../../binding/index.js';
import type { Figure, Samples } from '../support/question.js';
import type { Case } from '../support/rounds.js';
import type { Round } from '../support/question.js';

export const NO_LOOP = 'none';

/** One question that is measured in the guest, in a single process, because starting a process there takes seconds. */
export interface KernelQuestion {
  readonly name: string;
  readonly title: string;
  readonly about: string;
  /** Why it cannot be measured on this machine; `undefined` if it can. */
  missing?(): string | undefined;
  measure(context: KernelContext): Promise<Samples>;
  figures(samples: Samples): readonly Figure[];
}

export interface KernelContext {
  /** Scattered over the guest's memory. */
  readonly memfd: Memfd;
  readonly quick: boolean;
  /** Path of the C++ loop; {@link NO_LOOP} for questions that do not need it. */
  readonly loop: string;
  /** Path of the C++ loop of vCPU exits. */
  readonly vcpuLoop: string;
  readonly onRound: (done: number, of: number) => void;
}

export function toCases(
  rounds: Readonly<Record<string, Round>>,
  times: { readonly rounds: number; readonly warmUps: number },
): Case[] {
  return Object.values(rounds).map((round) => ({ ...times, run: async () => round() }));
}

export function merged(all: readonly Samples[]): Samples {
  return new Map(all.flatMap((samples) => [...samples]));
}
