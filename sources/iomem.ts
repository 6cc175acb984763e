import { cutShort, DumpError, notUnderstood } from './dump-error.js';
import { flatten, type Layer } from './flatten.js';
import { isMemory } from './section-kind.js';
import type { Section } from './section.js';

const DUMP = '/proc/iomem';
const LINE = /^( *)([0-9a-f]{1,16})-([0-9a-f]{1,16}) : (.*)$/;

/** What the kernel calls memory. */
const KINDS: readonly (readonly [name: RegExp, kind: string])[] = [
  [/^System RAM/, 'ram'],
  [/^Persistent Memory/, 'nv-ram'],
  [/^(?:Video|System|Adapter|Extension) ROM$|^ROM$/, 'rom'],
];

interface Resource extends Layer {
  readonly indent: number;
}

/**
 * Parses `/proc/iomem` of Linux: the memory map of the machine that it was read on. What is inside memory, such as the kernel's code, is a part of
 * it. Everything that is not memory is of the kind `i/o`. The offset of a section is its address.
 *
 * @throws DumpError with the number of a line that is not of this format; if the last line has no end; or if all addresses are 0, as they are for
 * those who are not root
 */
export function parseIomem(text: string): Section[] {
  const lines = text.replaceAll('\r\n', '\n').split('\n');
  if (lines.pop() !== '' || lines.length === 0) {
    throw cutShort(DUMP, Math.max(1, lines.length + 1));
  }
  const resources: Resource[] = [];
  let path: Resource[] = [];
  for (const [index, line] of lines.entries()) {
    const [, indent = '', first, last, name] = LINE.exec(line) ?? [];
    if (name === undefined) {
      throw notUnderstood(DUMP, index + 1, line);
    }
    const [start, end] = [BigInt(`0x${first}`), BigInt(`0x${last}`) + 1n];
    if (end <= start) {
      throw notUnderstood(DUMP, index + 1, line);
    }
    path = path.filter((other) => other.indent < indent.length);
    const kind = KINDS.find(([pattern]) => pattern.test(name))?.[1] ?? 'i/o';
    const resource = { start, end, name, kind, offset: start, indent: indent.length };
    if (isMemory(kind) || path.every((other) => !isMemory(other.kind))) {
      resources.push(resource);
      path.push(resource);
    }
  }
  if (resources.every(({ end }) => end === 1n)) {
    throw new DumpError(
      DUMP,
      undefined,
      'has only zeros for addresses',
      'the kernel shows them to root only: read it as root (sudo cat /proc/iomem)',
    );
  }
  return flatten(resources.toSorted((one, other) => other.indent - one.indent));
}
