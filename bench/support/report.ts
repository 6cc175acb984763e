import Table from 'cli-table3';

/** A figure, and the most that it should be. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly atMost?: number;
}

/** Prints figures beside what they should be at most. */
export function printFigures(title: string, figures: readonly Figure[]): void {
  const table = new Table({
    head: [title, 'measured', 'at most', ''],
    colAligns: ['left', 'right', 'right', 'left'],
    style: { head: [], border: [] },
  });
  for (const { name, value, unit, atMost } of figures) {
    table.push([
      name,
      `${format(value)} ${unit}`,
      atMost === undefined ? '' : `${format(atMost)} ${unit}`,
      atMost === undefined ? '' : value <= atMost ? 'met' : `NOT MET: ${format(value / atMost)} times`,
    ]);
  }
  console.log(`${table.toString()}\n`);
}

function format(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2);
}
