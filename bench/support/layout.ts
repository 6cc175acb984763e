import Table from 'cli-table3';

/** In columns: how far running text goes at most. */
const TEXT_WIDTH = 110;
const INDENT = 4;

/** The width of the terminal: `COLUMNS` where the output is none, and without limit where neither is known. */
export function outputColumns(): number {
  // Without a terminal Node.js has no such property, whatever its type says.
  const columns = (process.stdout.columns as number | undefined) ?? Number(process.env['COLUMNS']);
  return columns > 0 ? columns : Infinity;
}

/** A table whose first column is a name. */
export interface Rows {
  readonly head: readonly string[];
  readonly aligns: readonly ('left' | 'right')[];
  readonly rows: readonly (readonly string[])[];
}

/** Draws a table; as a list, if it is wider than `columns`: each name, and below it its cells. */
export function drawRows({ head, aligns, rows }: Rows, columns: number): string {
  const table = new Table({
    head: [...head],
    colAligns: [...aligns],
    style: { head: [], border: [], compact: true },
  });
  table.push(...rows.map((row) => [...row]));
  const drawn = table.toString();
  if (drawn.indexOf('\n') <= columns) {
    return drawn;
  }
  const [title = '', ...names] = head;
  const list = rows.flatMap(([name = '', ...cells]) => [
    ...wrap(name, columns),
    ...wrap(
      cells.flatMap((cell, index) => (cell === '' ? [] : [`${names[index] ?? ''} ${cell}`.trim()])).join(', '),
      columns,
      INDENT,
    ),
  ]);
  return [...wrap(title, columns), '─'.repeat(columns), ...list].join('\n');
}

/** Running text. */
export function drawText(text: string, columns: number): string {
  return wrap(text, Math.min(columns, TEXT_WIDTH)).join('\n');
}

/** Lines of at most `width` columns, as far as words allow, each indented by `indent` columns. */
export function wrap(text: string, width: number, indent = 0): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && indent + line.length + 1 + word.length > width) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].map((one) => ' '.repeat(indent) + one);
}
