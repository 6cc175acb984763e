import { createReadStream } from 'node:fs';
import { codeOf, messageOf, TraceError, UsageError } from '../errors.js';

/** Far above any line of a trace. What is longer is a file of another kind, which must not fill the memory. */
const LONGEST_LINE = 1 << 20;

const NEWLINE = 0x0a;

/** One line of a file, without its end. */
export interface TextLine {
  /** Counted from 1. */
  readonly number: number;
  readonly text: string;
}

/**
 * The lines of a UTF-8 file, in order, a piece of the file at a time; `-` is standard input, which may be destroyed to end the reading. The last
 * line may lack its end.
 *
 * @throws UsageError when the file cannot be opened or read
 * @throws TraceError when a line is not UTF-8, or longer than 1 MiB
 */
export async function* readLines(path: string): AsyncGenerator<readonly TextLine[]> {
  // Fatal: a byte that is not text is an error of the line that it is in, not a replacement character in a name.
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let number = 0;
  let unfinished: Buffer[] = [];
  let unfinishedLength = 0;

  const finish = (end: Buffer): TextLine => {
    number++;
    const bytes = unfinished.length === 0 ? end : Buffer.concat([...unfinished, end]);
    unfinished = [];
    unfinishedLength = 0;
    try {
      return { number, text: decoder.decode(bytes) };
    } catch {
      throw new TraceError(
        path,
        number,
        'not valid UTF-8',
        'a trace is UTF-8 text in JSON Lines: is this the right file?',
      );
    }
  };

  for await (const chunk of chunksOf(path)) {
    const lines: TextLine[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      lines.push(finish(chunk.subarray(start, end)));
      start = end + 1;
    }
    if (start < chunk.length) {
      unfinished.push(chunk.subarray(start));
      unfinishedLength += chunk.length - start;
    }
    yield lines;
    if (unfinishedLength > LONGEST_LINE) {
      throw new TraceError(
        path,
        number + 1,
        'longer than 1 MiB',
        'a trace has one short JSON object on each line: is this the right file?',
      );
    }
  }
  if (unfinishedLength > 0) {
    yield [finish(Buffer.alloc(0))];
  }
}

async function* chunksOf(path: string): AsyncGenerator<Buffer> {
  try {
    const stream: AsyncIterable<Buffer> = path === '-' ? process.stdin : createReadStream(path);
    yield* stream;
  } catch (error) {
    if (path === '-' && codeOf(error) === 'ERR_STREAM_PREMATURE_CLOSE') {
      // It was closed from here, to end the reading.
      return;
    }
    throw new UsageError(
      `cannot read ${path === '-' ? 'standard input' : path}: ${whyUnreadable(error, 'a trace in JSON Lines')}`,
      {
        cause: error,
      },
    );
  }
}

/** Why a file cannot be read. @param what it should be */
export function whyUnreadable(error: unknown, what: string): string {
  switch (codeOf(error)) {
    case 'ENOENT':
      return `no such file; give the path of ${what}`;
    case 'EISDIR':
      return `it is a directory; give the path of ${what}`;
    case 'EACCES':
      return 'permission denied; it must be readable by you';
    default:
      return messageOf(error);
  }
}
