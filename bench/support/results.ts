import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { arch, cpus, release, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { z } from 'zod';
import type { Figure } from './question.js';
import { commit, compilerVersion, packageVersion } from './native-program.js';

const FORMAT = 'dma-streams bench';
const VERSION = 1;
const GiB = 2 ** 30;

const figure = z.object({
  id: z.string(),
  name: z.string(),
  unit: z.enum(['ns', 'µs', 'ms', 'bytes', 'MiB', 'times', '%', 'instructions', 'requests', 'rectangles']),
  samples: z.array(z.number()).min(1).readonly(),
  median: z.number(),
  min: z.number(),
  spread: z.number(),
  atMost: z.number().exactOptional(),
  baseline: z.literal(true).exactOptional(),
  ratios: z.record(z.string(), z.number()).exactOptional(),
});

const machine = z.object({
  node: z.string(),
  v8: z.string(),
  cpu: z.string(),
  cpus: z.number(),
  arch: z.string(),
  memoryGiB: z.number(),
  kernel: z.string(),
  compiler: z.string().exactOptional(),
});

const question = z.object({
  name: z.string(),
  title: z.string(),
  about: z.string(),
  warnings: z.array(z.string()).readonly(),
  figures: z.array(figure).readonly(),
});

const results = z.object({
  format: z.literal(FORMAT),
  version: z.literal(VERSION),
  /** On the machine itself, or in a guest with an emulated processor. */
  where: z.enum(['host', 'guest']),
  quick: z.boolean(),
  /** What was measured was instructions, and no time. */
  counted: z.literal('instructions').exactOptional(),
  date: z.iso.datetime(),
  package: z.string(),
  commit: z.string().exactOptional(),
  machine,
  /** The figure that tells how fast this machine was in this run. */
  calibration: z.string(),
  questions: z.array(question),
});

export type Results = z.infer<typeof results>;
/** What one question gave. */
export interface QuestionResult {
  readonly name: string;
  readonly title: string;
  readonly about: string;
  readonly warnings: readonly string[];
  readonly figures: readonly Figure[];
}

/** A run, with what is known of the machine and the code. */
export function makeResults(run: {
  readonly where: Results['where'];
  readonly quick: boolean;
  readonly counted?: 'instructions';
  readonly calibration: string;
  readonly questions: readonly QuestionResult[];
}): Results {
  const at = commit();
  const compiler = compilerVersion();
  const [cpu] = cpus();
  return results.parse({
    format: FORMAT,
    version: VERSION,
    date: new Date().toISOString(),
    package: packageVersion(),
    ...(at === undefined ? {} : { commit: at }),
    machine: {
      node: process.version,
      v8: process.versions.v8,
      cpu: cpu?.model ?? 'unknown',
      cpus: cpus().length,
      arch: arch(),
      memoryGiB: Math.round(totalmem() / GiB),
      kernel: release(),
      ...(compiler === undefined ? {} : { compiler }),
    },
    ...run,
  });
}

export function writeResults(file: string, run: Results): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(run, undefined, 1)}\n`);
}

/** A file that is none of a bench, or cannot be read. The message says which, and why. */
export class ResultsFileError extends Error {
  override readonly name = 'ResultsFileError';
}

/** @throws ResultsFileError */
export function readResults(file: string): Results {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    const why = error instanceof SyntaxError ? `it is not JSON (${error.message})` : String((error as Error).message);
    throw new ResultsFileError(`${file}: ${why}; give a file that \`npm run bench\` has written`, { cause: error });
  }
  const parsed = results.safeParse(content);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const path = issue?.path.map(String).join('.') ?? '';
    throw new ResultsFileError(
      `${file}: it is no result of \`npm run bench\`: ${path === '' ? 'the document' : path}: ${issue?.message ?? 'unknown'}`,
    );
  }
  return parsed.data;
}
