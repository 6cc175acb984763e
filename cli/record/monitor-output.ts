/** What the monitor printed for one command. */
export interface MonitorOutput {
  readonly text: string;
  /** Of the file that it stands in, counted from 1. */
  readonly firstLine: number;
}

const PROMPT = '(qemu)';

/** What was printed for `info mtree -f`; `undefined` if it is not there. The text may be a transcript of a session with several commands. */
export function flatViewOf(text: string): MonitorOutput | undefined {
  return outputs(text).find((output) => /^FlatView #\d/m.test(output.text));
}

/** What was printed for `info mtree`; `undefined` if it is not there. */
export function treeOf(text: string): MonitorOutput | undefined {
  return outputs(text).find((output) => /^address-space: /m.test(output.text));
}

/** The parts of a transcript between the lines that begin with a prompt. A part that a prompt follows is whole: an empty line is added to it. */
function outputs(text: string): MonitorOutput[] {
  const lines = text.replaceAll('\r\n', '\n').split('\n');
  const prompts = lines.flatMap((line, index) => (line.startsWith(PROMPT) ? [index] : []));
  const starts = [0, ...prompts.map((index) => index + 1)];
  return starts.map((start, index) => {
    const end = prompts[index];
    const part = lines.slice(start, end).join('\n');
    return { text: end === undefined ? part : `${part}\n\n`, firstLine: start + 1 };
  });
}
