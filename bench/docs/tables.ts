import { formatNumber, formatSpread, formatValue, verdictOf } from '../support/format.js';
import type { Figure } from '../support/question.js';
import type { QuestionResult, Results } from '../support/results.js';

/** Markdown for each marked place of the page, by the name in the marker. */
export type Sections = Readonly<Record<string, string>>;

export function sections(run: Results): Sections {
  const guest = run.where === 'guest';
  const prefix = guest ? 'kernel' : 'bench';
  return {
    [`${prefix}:run`]: describeRun(run),
    [`${prefix}:limits`]: limits(run),
    ...Object.fromEntries(run.questions.map((question) => [`${prefix}:${question.name}`, sectionOf(question)])),
  };
}

function describeRun({ date, commit, machine, quick }: Results): string {
  const { node, cpu, cpus, memoryGiB, kernel, compiler } = machine;
  const cc = compiler === undefined ? '' : `, ${compiler}`;
  return (
    `${quick ? '**A quick run: not for published figures.** ' : ''}${date.slice(0, 10)}, commit ${commit ?? 'unknown'}; Node ${node}${cc}; ` +
    `${cpu}, ${cpus} processors, ${memoryGiB} GiB; Linux ${kernel}.`
  );
}

function limits({ questions }: Results): string {
  const limited = questions.flatMap(({ figures }) => figures.filter(({ atMost }) => atMost !== undefined));
  const missed = limited.filter(({ median, atMost = Infinity }) => median > atMost);
  const met = limited.length - missed.length;
  return [
    `${met} of ${limited.length} limits are met${missed.length === 0 ? '.' : '; these are not:'}`,
    '',
    ...(missed.length === 0
      ? []
      : table(
          ['', 'measured', 'at most', 'times'],
          missed.map((figure) => [
            figure.name,
            formatValue(figure.median, figure.unit),
            formatValue(figure.atMost ?? NaN, figure.unit),
            formatNumber(figure.median / (figure.atMost ?? NaN)),
          ]),
        )),
  ].join('\n');
}

function sectionOf(question: QuestionResult): string {
  const drawn =
    question.name === 'change' ? changes(question) : question.name === 'where' ? shares(question) : rows(question);
  return [...question.warnings.map((warning) => `**${warning}**\n`), ...drawn].join('\n');
}

/** One row for each figure, baselines last. */
function rows({ figures }: QuestionResult): string[] {
  const columns = [...new Set(figures.flatMap(({ ratios = {} }) => Object.keys(ratios)))];
  const limited = figures.some(({ atMost }) => atMost !== undefined);
  const sorted = [
    ...figures.filter(({ baseline }) => baseline !== true),
    ...figures.filter(({ baseline }) => baseline),
  ];
  return table(
    ['', 'median', 'least', 'spread', ...(limited ? ['at most', ''] : []), ...columns.map((column) => `× ${column}`)],
    sorted.map((figure) => [
      figure.baseline === true ? `_${figure.name}_` : figure.name,
      formatValue(figure.median, figure.unit),
      formatNumber(figure.min),
      formatSpread(figure.spread),
      ...(limited ? [limitOf(figure), verdictOf(figure)] : []),
      ...columns.map((column) => {
        const ratio = figure.ratios?.[column];
        return ratio === undefined ? '' : formatNumber(ratio);
      }),
    ]),
  );
}

function limitOf({ atMost, unit }: Figure): string {
  return atMost === undefined ? '' : formatValue(atMost, unit);
}

/** A row for each way to make changes, a column for each number of mappings. */
function changes({ figures }: QuestionResult): string[] {
  const byCount = new Map<string, Map<number, Figure>>();
  const others: Figure[] = [];
  const counts = new Set<number>();
  for (const figure of figures) {
    const [, name, count] = /^(.+), ([\d,]+) mappings$/.exec(figure.name) ?? [];
    if (figure.unit !== 'ns' || name === undefined || count === undefined) {
      others.push(figure);
      continue;
    }
    const mappings = Number(count.replaceAll(',', ''));
    counts.add(mappings);
    const title = figure.baseline === true ? `_${name}_` : name;
    byCount.set(title, (byCount.get(title) ?? new Map<number, Figure>()).set(mappings, figure));
  }
  const columns = [...counts].toSorted((a, b) => a - b);
  return [
    ...table(
      ['ns a change, by mappings', ...columns.map((count) => count.toLocaleString('en')), 'growth'],
      [...byCount].map(([name, cells]) => [
        name,
        ...columns.map((count) => {
          const cell = cells.get(count);
          return cell === undefined ? '' : formatNumber(cell.median);
        }),
        growth([...cells.values()]),
      ]),
    ),
    '',
    ...rows({
      name: '',
      title: '',
      about: '',
      warnings: [],
      figures: others.filter(({ id }) => !id.startsWith('growth/')),
    }),
  ];
}

function growth(cells: readonly Figure[]): string {
  const [first, last] = [cells[0], cells.at(-1)];
  return first === undefined || last === undefined || first === last
    ? ''
    : `${formatNumber(last.median / first.median)} ×`;
}

/** A row for each place, a column for each size of set. */
function shares({ figures }: QuestionResult): string[] {
  const sets = [...new Set(figures.map(({ name }) => name.split(': ')[0] ?? ''))];
  const places = new Map<string, Map<string, number>>();
  for (const { name, median } of figures) {
    const at = name.indexOf(': ');
    const place = name.slice(at + 2);
    places.set(place, (places.get(place) ?? new Map<string, number>()).set(name.slice(0, at), median));
  }
  const most = (cells: ReadonlyMap<string, number>): number => Math.max(...cells.values());
  return table(
    ['own time, %', ...sets],
    [...places]
      .toSorted(([, a], [, b]) => most(b) - most(a))
      .map(([place, cells]) => [
        place.endsWith('.ts') ? `\`${place}\`` : place,
        ...sets.map((set) => cells.get(set)?.toFixed(0) ?? ''),
      ]),
  );
}

/** The first column to the left, all others to the right. */
function table(head: readonly string[], body: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, index) => (index === 0 ? ':---' : '---:'))), ...body.map(line)];
}
