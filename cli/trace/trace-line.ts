import { z } from 'zod';
import { SECTION_KINDS } from '../../sources/section-kind.js';
import { messageOf, TraceError } from '../errors.js';
import { placeSection } from './place-section.js';
import type { TextLine } from './read-lines.js';
import type { Hole, PlacedSection } from './section.js';

/** One event: a section came or went. */
export interface TraceLine {
  /** Since the machine started, in milliseconds. */
  readonly ms: number;
  /** Lines of one number are one transaction. */
  readonly commit: number;
  readonly op: 'add' | 'remove';
  readonly section: PlacedSection | Hole;
  /** How many lines the commit has. With it a reader can apply the commit before the next one comes. */
  readonly lines?: number;
}

const EXAMPLE =
  '{"ms":1,"commit":0,"op":"add","start":"0x0","end":"0xa0000","name":"ram0","kind":"ram","offset":"0x0"}';

const hex = z.string().regex(/^0x[0-9a-f]{1,17}$/i);

/** Fields that are not listed are let pass: a recorder may write more than is needed here. */
const schema = z.object({
  ms: z.number().min(0),
  commit: z.int().min(0),
  op: z.enum(['add', 'remove']),
  start: hex,
  end: hex,
  name: z.string().min(1),
  kind: z.enum(SECTION_KINDS),
  offset: hex,
  priority: z.number().optional(),
  lines: z.int().min(1).optional(),
});

const MUST_BE: Readonly<Record<keyof z.infer<typeof schema>, string>> = {
  ms: 'a number of milliseconds, 0 or more',
  commit: 'a whole number, 0 or more, the same for all lines of one transaction',
  op: '"add" or "remove"',
  start: 'the first address in hexadecimal, such as "0xa0000"',
  end: 'the address after the last in hexadecimal, such as "0xc0000"',
  name: 'the name of the memory block, not empty',
  kind: SECTION_KINDS.map((kind) => `"${kind}"`)
    .join(', ')
    .replace(/, (?=[^,]*$)/, ' or '),
  offset: 'the offset in the memory block in hexadecimal, such as "0x0"',
  priority: 'a finite number, such as 1 or -1, or left out',
  lines: 'the number of lines of the commit, the same for all of them, or left out',
};

/**
 * Reads one line, by itself; how it fits to the lines before is not looked at.
 *
 * @throws TraceError naming the line and the field
 */
export function parseTraceLine(path: string, { number, text }: TextLine): TraceLine {
  const raw = parseJson(path, number, text);
  const parsed = schema.safeParse(raw);
  if (!parsed.success) {
    throw describeIssue(path, number, raw, parsed.error);
  }
  const { ms, commit, op, start, end, name, kind, offset, priority, lines } = parsed.data;
  const section = placeSection(path, {
    start: BigInt(start),
    end: BigInt(end),
    name,
    kind,
    offset: BigInt(offset),
    ...(priority === undefined ? {} : { priority }),
    line: number,
  });
  return { ms, commit, op, section, ...(lines === undefined ? {} : { lines }) };
}

function parseJson(path: string, line: number, text: string): object {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (error) {
    throw new TraceError(
      path,
      line,
      `not JSON (${shorten(messageOf(error), 100)})`,
      `each line is one object such as ${EXAMPLE}`,
    );
  }
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    throw new TraceError(path, line, `${show(raw)} is not an object`, `each line is one object such as ${EXAMPLE}`);
  }
  return raw;
}

function describeIssue(path: string, line: number, raw: object, error: z.ZodError): TraceError {
  const field = String(error.issues[0]?.path[0]);
  const mustBe = field in MUST_BE ? MUST_BE[field as keyof typeof MUST_BE] : 'as the documentation says';
  const value: unknown = Object.hasOwn(raw, field) ? (raw as Record<string, unknown>)[field] : undefined;
  return value === undefined
    ? new TraceError(path, line, `the field "${field}" is missing`, `it must be ${mustBe}`)
    : new TraceError(path, line, `"${field}" is ${show(value)}`, `it must be ${mustBe}`);
}

function show(value: unknown): string {
  if (typeof value === 'number') {
    // JSON has no infinity, but JSON.parse makes one of 1e999.
    return String(value);
  }
  try {
    return shorten(JSON.stringify(value), 60);
  } catch {
    // JSON.parse takes any depth, JSON.stringify runs out of stack.
    return 'a value that is nested too deeply to be shown';
  }
}

function shorten(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}
