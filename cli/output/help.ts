import type { AddHelpTextContext } from 'commander';
import { fold, foldCommand } from './fold.js';
import { terminalOf } from './terminal.js';

/** In columns, of running text; commands and JSON may be longer where the terminal has room. */
const WIDEST_TEXT = 84;

/** Between a term and what it means, so that the meaning stands beside the term and not below it. */
const NARROWEST_MEANING = 24;

/** For `addHelpText`: the text, in which a paragraph is one line, laid out for where the help goes. */
export function helpText(text: string): (context: AddHelpTextContext) => string {
  return ({ error }) => {
    const { limit } = terminalOf(error ? process.stderr : process.stdout, process.env);
    return eachLine(text, (line) => (/^ *[${]/.test(line) ? [line] : foldHelpLine(line, Math.min(limit, WIDEST_TEXT))));
  };
}

/** Folds what is wider than `limit` columns: commands with backslashes, and a meaning beside its term or below it. */
export function foldHelp(text: string, limit: number): string {
  return limit === Infinity ? text : eachLine(text, (line) => foldHelpLine(line, limit));
}

/** Commander's heading, the only line of a help whose rest is indented. */
const USAGE = 'Usage: ';

function eachLine(text: string, layOut: (line: string) => readonly string[]): string {
  return text.split('\n').flatMap(layOut).join('\n');
}

function foldHelpLine(line: string, limit: number): readonly string[] {
  const indent = line.search(/\S|$/);
  if (line.length <= limit) {
    return [line];
  }
  const [, before = '', space = '', meaning = ''] = /^( *\S.*?)( {2,})(\S.*)$/.exec(line) ?? ['', line];
  const column = before.length + space.length;
  if (meaning !== '' && limit - column >= NARROWEST_MEANING && !isCommand(before)) {
    return fold(line, limit, column);
  }
  return [
    ...(isCommand(before)
      ? foldCommand(before.slice(0, indent + 2), before.slice(indent + 2), limit)
      : fold(before, limit, before.startsWith(USAGE) ? USAGE.length : indent)),
    ...(meaning === '' ? [] : fold(' '.repeat(indent + 4) + meaning, limit, indent + 4)),
  ];
}

function isCommand(text: string): boolean {
  return /^ *\$ /.test(text);
}
