import type { Check, Cure } from '../doctor/report.js';
import { fold, foldCommand } from './fold.js';
import type { Terminal } from './terminal.js';
import { displayWidth, fit, printable, wrap } from './text.js';

/** Lines below a title, with an empty line after them; nothing if there are no lines. */
export function section(title: string, lines: readonly string[], { colours }: Terminal, note = ''): string[] {
  return lines.length === 0 ? [] : [colours.bold(title) + (note === '' ? '' : colours.dim(`  ${note}`)), ...lines, ''];
}

/** In columns: the least width for a check's text next to its name. */
const NARROWEST_SAYS = 28;

/** One row for each check. */
export function drawChecks(checks: readonly Check[], { colours, unicode, width, limit }: Terminal): string[] {
  const marks = {
    works: colours.green(unicode ? '✓' : 'ok '),
    limited: colours.yellow(unicode ? '!' : '!  '),
    fails: colours.red(unicode ? '✗' : 'no '),
  };
  const markWidth = unicode ? 1 : 3;
  const nameWidth = Math.max(...checks.map(({ name }) => displayWidth(name)));
  const before = 2 + markWidth + 1 + nameWidth + 2;
  return checks.flatMap(({ name, state, says }) => {
    const title = `  ${marks[state]} ${colours.bold(fit(name, nameWidth))}`;
    if (limit - before < NARROWEST_SAYS) {
      return [title.trimEnd(), ...fold(`    ${printable(says)}`, limit, 4)];
    }
    const [first = '', ...more] = wrap(printable(says), width - before);
    return [`${title}  ${first}`, ...more.map((line) => ' '.repeat(before) + line)];
  });
}

/** The section with the cures of all checks. A cure of several checks is shown once, with the names of all of them. */
export function drawCures(checks: readonly Check[], terminal: Terminal): string[] {
  const distinct = new Map<string, { readonly cure: Cure; readonly names: string[] }>();
  for (const { name, cures } of checks) {
    for (const cure of cures) {
      const key = JSON.stringify(cure);
      const { names } = distinct.get(key) ?? { names: [] };
      distinct.set(key, { cure, names: [...new Set([...names, name])] });
    }
  }
  const lines = [...distinct.values()].flatMap(({ cure, names }) => drawCure(names.join(', '), cure, terminal));
  return section('What to do', lines, terminal, '# as root, $ as any user');
}

/** Commands can be copied: a shell reads a folded command as one command. */
function drawCure(names: string, { says, commands, root }: Cure, { colours, width, limit }: Terminal): string[] {
  const [first = '', ...more] = wrap(`${names}: ${printable(says)}`, width - 4);
  return [
    `  - ${colours.bold(first.slice(0, names.length + 1))}${first.slice(names.length + 1)}`,
    ...more.map((line) => `    ${line}`),
    ...commands.flatMap((command) =>
      foldCommand(`      ${root ? '#' : '$'} `, printable(command), limit).map(colours.cyan),
    ),
  ];
}
