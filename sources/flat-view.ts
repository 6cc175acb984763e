import { cutShort, DumpError, notUnderstood } from './dump-error.js';
import { dumpLines } from './dump-lines.js';
import type { Section } from './section.js';

export interface FlatView {
  /** The address spaces that have this view. */
  readonly addressSpaces: readonly string[];
  /** In ascending order. */
  readonly sections: readonly Section[];
}

const DUMP = 'info mtree -f';

const VIEW = /^FlatView #\d+$/;
const ADDRESS_SPACE = /^ AS "(.*)", root: /s;
const ROOT = ' Root memory region: ';
const NO_SECTIONS = '  No rendered FlatView';
/** Of `info mtree -f -d`: what follows in the view is about QEMU's own tables. */
const DISPATCH = '  Dispatch';

/** What `info mtree -f -o` adds, and the accelerators that hold the section: QEMU prints them behind the name. */
const BEHIND = / (?:(?:owner|parent):\{(?:dev|obj) (?:id|path)=[^}]*\}|KVM|HVF|MSHV|WHPX)$/;
const SECTION = /^ {2}([0-9a-f]{16})-([0-9a-f]{16}) \(prio -?\d+, ([a-z/-]+)\): (.*)$/s;
const OFFSET = /^(.*) @([0-9a-f]{16})$/s;

interface OpenView {
  readonly addressSpaces: string[];
  readonly sections: Section[];
  /** Whether it has been said what it consists of. */
  isDescribed: boolean;
  isDispatch: boolean;
}

/**
 * Parses what QEMU's monitor prints for `info mtree -f`. Every view of it ends with an empty line: a text that ends elsewhere was cut short.
 *
 * @param firstLine the number of the first line, for errors. Default: 1
 * @throws DumpError with the number of a line that is not of this format, or after which more has to follow
 */
export function parseFlatViews(text: string, firstLine = 1): readonly FlatView[] {
  const views: OpenView[] = [];
  let open: OpenView | undefined;
  const lines = dumpLines(text, VIEW, firstLine);
  for (const { number, text: line } of lines) {
    if (open === undefined) {
      if (VIEW.test(line)) {
        open = { addressSpaces: [], sections: [], isDescribed: false, isDispatch: false };
        views.push(open);
      } else if (line !== '') {
        throw notUnderstood(DUMP, number, line);
      }
    } else if (line === '') {
      if (!open.isDescribed) {
        throw notUnderstood(DUMP, number, line);
      }
      open = undefined;
    } else if (!open.isDispatch) {
      readLine(open, line, number);
    }
  }
  if (open !== undefined || views.length === 0) {
    throw cutShort(DUMP, lines.at(-1)?.number ?? firstLine);
  }
  return views;
}

function readLine(view: OpenView, line: string, number: number): void {
  const addressSpace = ADDRESS_SPACE.exec(line)?.[1];
  const section = sectionOf(line);
  if (section !== undefined) {
    if (section.end <= section.start || section.start < (view.sections.at(-1)?.end ?? 0n)) {
      throw new DumpError(
        DUMP,
        number,
        `has a section that does not come after the one before: ${JSON.stringify(line.trim())}`,
        'the sections of a view ascend and do not overlap: the dump may have been changed',
      );
    }
    view.isDescribed = true;
    view.sections.push(section);
  } else if (line === NO_SECTIONS) {
    view.isDescribed = true;
  } else if (line === DISPATCH) {
    view.isDispatch = true;
  } else if (addressSpace !== undefined && !view.isDescribed) {
    view.addressSpaces.push(addressSpace);
  } else if (view.isDescribed || !line.startsWith(ROOT)) {
    throw notUnderstood(DUMP, number, line);
  }
}

function sectionOf(line: string): Section | undefined {
  const [, first, last, kind, rest] = SECTION.exec(line) ?? [];
  if (kind === undefined || rest === undefined) {
    return undefined;
  }
  let text = rest;
  while (BEHIND.test(text)) {
    text = text.replace(BEHIND, '');
  }
  const [, name = text, offset = '0'] = OFFSET.exec(text) ?? [];
  return { start: BigInt(`0x${first}`), end: BigInt(`0x${last}`) + 1n, name, kind, offset: BigInt(`0x${offset}`) };
}

/**
 * The sections of an address space.
 *
 * @throws DumpError with the address spaces that there are, if none has this name
 */
export function sectionsOfSpace(views: readonly FlatView[], addressSpace: string): readonly Section[] {
  const view = views.find(({ addressSpaces }) => addressSpaces.includes(addressSpace));
  if (view === undefined) {
    throw noSuchSpace(
      DUMP,
      addressSpace,
      views.flatMap(({ addressSpaces }) => addressSpaces),
    );
  }
  return view.sections;
}

/** An error that lists the address spaces that there are. */
export function noSuchSpace(dump: string, addressSpace: string, names: readonly string[]): DumpError {
  const known = [...new Set(names)].map((name) => JSON.stringify(name)).join(', ');
  return new DumpError(
    dump,
    undefined,
    `has no address space ${JSON.stringify(addressSpace)}`,
    known === '' ? 'it has none at all' : `it has ${known}`,
  );
}
