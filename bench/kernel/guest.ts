/**
 * The part of `npm run bench:kernel` that runs in the guest: measures on a real IOMMU, prints tables, and writes the results to a folder of
 * the host. It also works on a physical machine with two devices at these addresses.
 */
import { writeFileSync } from 'node:fs';
import { Argument, Command } from 'commander';
import type { Samples } from '../support/question.js';
import { drawQuestion } from '../support/report.js';
import { makeResults, writeResults, type QuestionResult } from '../support/results.js';
import { countedQuestions, kernelQuestions } from './index.js';
import { scatteredMemory } from './scattered-memory.js';
import { warmUp } from './warm-up.js';

interface Options {
  readonly json: string;
  readonly loop: string;
  readonly vcpuLoop: string;
  readonly size: string;
  readonly columns?: string;
  readonly quick?: true;
  readonly instructions?: true;
}

const MiB = 2 ** 20;
/** Measures the speed of the emulated processor with system calls, without this library. */
const CALIBRATION = 'cycle/type1/4 KiB, one by one/loop/alone';

const program = new Command()
  .addArgument(new Argument('[question...]').choices([...kernelQuestions, ...countedQuestions].map(({ name }) => name)))
  .requiredOption('--json <file>')
  .requiredOption('--loop <program>')
  .requiredOption('--vcpu-loop <program>')
  .requiredOption('--size <MiB>')
  .option('--columns <columns>')
  .option('--quick')
  .option('--instructions')
  .parse();
const { json, loop, vcpuLoop, size, columns, quick = false, instructions = false } = program.opts<Options>();
const questions = instructions ? countedQuestions : kernelQuestions;

// Each mapping may be two memory areas of the process.
writeFileSync('/proc/sys/vm/max_map_count', '1000000');
console.log(`touching ${size} MiB page by page`);
const memfd = scatteredMemory(Number(size) * MiB);
if (!instructions) {
  await warmUp(memfd, quick ? 4 : 60);
}
const results: QuestionResult[] = [];
for (const question of questions.filter(({ name }) => program.args.length === 0 || program.args.includes(name))) {
  const started = Date.now();
  const missing = question.missing?.();
  const context = { memfd, quick, loop, vcpuLoop, onRound: () => undefined };
  const samples: Samples = missing === undefined ? await question.measure(context) : new Map();
  const { name, title, about } = question;
  const warnings = missing === undefined ? [] : [missing];
  const result = { name, title, about, warnings, figures: question.figures(samples) };
  results.push(result);
  console.log(drawQuestion(result, columns === undefined ? Infinity : Number(columns)));
  console.log(`(${((Date.now() - started) / 1000).toFixed(0)} s)\n`);
}
memfd.close();
const counted = instructions ? { counted: 'instructions' as const } : {};
writeResults(json, makeResults({ where: 'guest', quick, ...counted, calibration: CALIBRATION, questions: results }));
