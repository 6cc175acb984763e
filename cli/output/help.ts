import type { AddHelpTextContext } from 'commander';
import { fold, foldCommand } from './fold.js';
import { terminalOf } from './terminal.js';

/** In columns, for running text; commands and JSON may use the full width of the terminal. */
const WIDEST_TEXT = 84;

/** In columns: the least width for a meaning to be placed next to its term instead of below it. */
const NARROWEST_MEANING = 24;

/** For `addHelpText`: folds the text, in which each paragraph is one line, to the width of the output. */
export function helpText(text: string): (context: AddHelpTextContext) => string {
  return ({ error }) => {
    const { limit } = terminalOf(error ? process.stderr : process.stdout, process.env);
    return eachLine(text, (line) => (/^ *[${]/.test(line) ? [line] : foldHelpLine(line, Math.min(limit, WIDEST_TEXT))));
  };
}

/** Folds lines wider than `limit` columns: commands with backslashes, and a meaning next to its term or below it. */
export function foldHelp(text: string, limit: number): string {
  return limit === Infinity ? text : eachLine(text, (line) => foldHelpLine(line, limit));
}

/** Commander's heading, whose continuation lines are indented by its length. */
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
