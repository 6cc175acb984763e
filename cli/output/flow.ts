/** A part of a line. Its text may be coloured. */
export interface FlowItem {
  readonly text: string;
  /** In columns. */
  readonly width: number;
}

/**
 * Places the items side by side, on as many lines as needed. An item that is wider than a line has one of its own, and is not cut.
 *
 * @param width in columns
 * @param margin before each line
 */
export function flow(items: readonly FlowItem[], width: number, margin: string): string[] {
  const lines: string[] = [];
  let line = '';
  let used = 0;
  for (const item of items) {
    if (line !== '' && used + 3 + item.width <= width) {
      line += `   ${item.text}`;
      used += 3 + item.width;
    } else {
      lines.push(...(line === '' ? [] : [line]));
      line = margin + item.text;
      used = margin.length + item.width;
    }
  }
  return [...lines, line];
}
