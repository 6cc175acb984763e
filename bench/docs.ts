/**
 * `npm run bench:chart`: draws the charts of docs/performance.md and updates its tables, from the results of the benchmarks.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { format, resolveConfig } from 'prettier';
import { guestCharts, hostCharts } from './docs/charts.js';
import { draw } from './docs/draw.js';
import { sections, type Sections } from './docs/tables.js';
import { projectRoot } from './support/native-program.js';
import { readResults, ResultsFileError } from './support/results.js';

const BAD_USAGE = 2;
const CHARTS = join(projectRoot, 'docs/performance');

interface Options {
  readonly bench: string;
  readonly kernel: string;
  readonly page: string;
  readonly charts: string;
}

const program = new Command('npm run bench:chart --')
  .description('Draws the charts of docs/performance.md and writes its tables anew, from results of the benches.')
  .option('--bench <file>', 'results of `npm run bench`', join(CHARTS, 'bench.json'))
  .option('--kernel <file>', 'results of `npm run bench:kernel`', join(CHARTS, 'kernel.json'))
  .option('--page <file>', 'the page whose marked places are written', join(projectRoot, 'docs/performance.md'))
  .option('--charts <folder>', 'where the charts go', CHARTS)
  .parse();

try {
  const { bench, kernel, page, charts } = program.opts<Options>();
  const runs = [bench, kernel].filter((file) => {
    if (!existsSync(file)) {
      console.error(`bench:chart: ${file} does not exist: its charts and tables are not updated`);
    }
    return existsSync(file);
  });
  mkdirSync(charts, { recursive: true });
  const written: Record<string, string> = {};
  for (const run of runs.map(readResults)) {
    const specs = run.where === 'guest' ? guestCharts(run) : hostCharts(run);
    for (const [file, spec] of Object.entries(specs)) {
      writeFileSync(join(charts, file), await draw(spec));
      console.log(`drawn: ${join(charts, file)}`);
    }
    Object.assign(written, sections(run));
  }
  const text = fill(readFileSync(page, 'utf8'), written);
  writeFileSync(page, await format(text, { ...(await resolveConfig(page)), parser: 'markdown' }));
  console.log(`written: ${page}`);
} catch (error) {
  if (!(error instanceof ResultsFileError)) {
    throw error;
  }
  console.error(`bench:chart: ${error.message}`);
  process.exitCode = BAD_USAGE;
}

/** Puts each section between its markers, `<!-- NAME -->` and `<!-- /NAME -->`. Sections that the page has no place for are left out. */
function fill(text: string, content: Sections): string {
  return text.replaceAll(/<!-- ([a-z:-]+) -->\n[^]*?<!-- \/\1 -->/g, (whole, name: string) => {
    const section = content[name];
    return section === undefined ? whole : `<!-- ${name} -->\n\n${section}\n\n<!-- /${name} -->`;
  });
}
