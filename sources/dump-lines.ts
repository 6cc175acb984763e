/** One line of a dump, without its end. It contains line breaks if the name in it does. */
export interface DumpLine {
  /** Of the first line in the text, counted from 1. */
  readonly number: number;
  readonly text: string;
}

/**
 * The lines of a dump of QEMU's monitor. QEMU prints names as they are: a name may contain line breaks. A line that is not indented and does not
 * begin as `start` says therefore continues the line before, unless that is empty.
 *
 * @param firstLine the number of the first line
 */
export function dumpLines(text: string, start: RegExp, firstLine = 1): DumpLine[] {
  const lines: { number: number; text: string }[] = [];
  for (const [index, line] of text.replaceAll('\r\n', '\n').split('\n').entries()) {
    const last = lines.at(-1);
    if (last === undefined || last.text === '' || line === '' || line.startsWith(' ') || start.test(line)) {
      lines.push({ number: firstLine + index, text: line });
    } else {
      last.text += `\n${line}`;
    }
  }
  // The text after the last line break is no line.
  if (lines.at(-1)?.text === '') {
    lines.pop();
  }
  return lines;
}
