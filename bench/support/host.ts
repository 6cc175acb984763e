import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Host, Question, Sample, Samples } from './question.js';
import { runRounds, type Case } from './rounds.js';

const PROGRAM = fileURLToPath(new URL('host-process.js', import.meta.url));

/** Messages from a host's process. */
export type HostMessage =
  | { readonly ready: readonly string[]; readonly warnings: readonly string[] }
  | { readonly sample: Sample }
  | { readonly error: string };

/** Messages to a host's process. */
export interface HostRequest {
  readonly run: string;
}

export interface Measurement {
  readonly samples: Samples;
  readonly warnings: readonly string[];
}

/** Measures one question: all its hosts are alive at the same time, and one case runs at a time. */
export async function measure(
  question: Question,
  quick: boolean,
  onRound: (done: number, of: number) => void,
): Promise<Measurement> {
  const started: HostProcess[] = [];
  const cases: Case[] = [];
  const warnings: string[] = [];
  try {
    for (const host of question.hosts(quick)) {
      const running = new HostProcess(question.name, host);
      started.push(running);
      const ready = await running.ready();
      warnings.push(...ready.warnings);
      cases.push(
        ...ready.cases.map((name): Case => ({
          rounds: host.rounds,
          warmUps: host.warmUps,
          run: () => running.run(name),
        })),
      );
    }
    return { samples: await runRounds(cases, onRound), warnings };
  } finally {
    for (const running of started) {
      running.stop();
    }
  }
}

/** A process of its own, in which the cases of one host run. */
class HostProcess {
  readonly #name: string;
  readonly #child;
  readonly #ended: Promise<never>;

  constructor(question: string, { name, parameters, nodeOptions = [] }: Host) {
    this.#name = `${question}, ${name}`;
    this.#child = fork(PROGRAM, [question, JSON.stringify(parameters)], {
      execArgv: ['--expose-gc', '--enable-source-maps', ...nodeOptions],
    });
    this.#ended = once(this.#child, 'exit').then(([code, signal]: unknown[]) => {
      throw new Error(`${this.#name}: its process ended by itself (${String(code ?? signal)})`);
    });
    // There may be no pending request when the process is stopped.
    this.#ended.catch(() => undefined);
  }

  async ready(): Promise<{ readonly cases: readonly string[]; readonly warnings: readonly string[] }> {
    const message = await this.#answer();
    if (!('ready' in message)) {
      throw new Error(`${this.#name}: it answered before it was asked`);
    }
    return { cases: message.ready, warnings: message.warnings };
  }

  async run(name: string): Promise<Sample> {
    const answer = this.#answer();
    this.#child.send({ run: name } satisfies HostRequest);
    const message = await answer;
    if (!('sample' in message)) {
      throw new Error(`${this.#name}: it did not answer with a sample`);
    }
    return message.sample;
  }

  stop(): void {
    this.#child.removeAllListeners('exit');
    this.#child.kill();
  }

  async #answer(): Promise<HostMessage> {
    const [message] = (await Promise.race([once(this.#child, 'message'), this.#ended])) as [HostMessage];
    if ('error' in message) {
      throw new Error(`${this.#name}: ${message.error}`);
    }
    return message;
  }
}
