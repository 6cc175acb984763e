import { flow, type FlowItem } from '../output/flow.js';
import { fold } from '../output/fold.js';
import {
  graphemes,
  counted,
  displayWidth,
  fit,
  formatCount,
  formatDuration,
  formatSize,
  printable,
  truncate,
} from '../output/text.js';
import { drawHeading, drawRow, layOutRows, type Screen } from './draw-rows.js';
import { firstShown, KEYS, matching, type Shown, type View } from './view.js';
import type { ShownProblem, TargetState, WatchState } from './watch-state.js';

export interface Drawn {
  /** From the top of the screen; at most as many as it has rows. None is wider than the screen. */
  readonly lines: readonly string[];
  readonly shown: Shown;
}

/** In rows: of targets, and of problems below the map. */
const MOST_TARGET_LINES = 3;
const MOST_PROBLEM_LINES = 4;

/** Draws a state. Depends on nothing else. */
export function drawWatch(state: WatchState, view: View, screen: Screen): Drawn {
  const head = [drawTitle(state, view, screen), ...drawNumbers(state, screen), ...drawTargets(state, screen)];
  const problems = view.page === 'map' ? drawLatestProblems(state.problems, screen) : [];
  const rows = matching(state.rows, view.typed ?? view.filter);
  const page = Math.max(1, screen.rows - head.length - 1 - problems.length - 1);
  const first = firstShown(rows, view.anchor, page);
  const shown: Shown = { rows, first, page };
  const foot = [drawFoot(view, shown, screen)];
  const body =
    view.page === 'help'
      ? drawHelp(screen)
      : view.page === 'problems'
        ? drawProblems(state.problems, screen, page + 1)
        : drawMap(state, shown, screen);
  const room = Math.max(0, screen.rows - head.length - problems.length - foot.length);
  const padded = [...body.slice(0, room), ...Array<string>(Math.max(0, room - body.length)).fill('')];
  return { lines: [...head, ...padded, ...problems, ...foot].slice(-screen.rows), shown };
}

function drawTitle({ description, status }: WatchState, view: View, { colours, columns }: Screen): string {
  const [phase, colour] = {
    following: ['following', colours.green] as const,
    waiting: ['gone, waiting for it', colours.yellow] as const,
    ended: ['ended', colours.yellow] as const,
    failed: ['failed', colours.red] as const,
  }[status.phase];
  const right = view.isPaused ? `${phase}, PAUSED` : phase;
  const left = fit(printable(description), Math.max(0, columns - displayWidth(right) - 1));
  return `${colours.bold(left)} ${view.isPaused ? colours.inverse(right) : colour(right)}`;
}

function drawNumbers(state: WatchState, { columns }: Screen): string[] {
  const { generation, regions, mappings, bytes, changesPerSecond: rate } = state;
  const rateText = rate >= 10 ? formatCount(Math.round(rate)) : rate.toFixed(1);
  // At least so wide when it is laid out: most changes of the numbers then move nothing to another line.
  const items: readonly (readonly [text: string, least: number])[] = [
    [`generation ${formatCount(generation)}`, 'generation 999'.length],
    [counted(regions, 'region'), '999 regions'.length],
    [counted(mappings, 'mapping'), '999 mappings'.length],
    [formatSize(bytes), '1.23 GiB'.length],
    [`${rateText} changes/s`, '0.0 changes/s'.length],
  ];
  return flow(
    items.map(([text, least]) => ({ text, width: Math.max(least, text.length) })),
    columns,
    '',
  );
}

function drawTargets({ targets, now }: WatchState, screen: Screen): string[] {
  if (targets.length === 0) {
    return [];
  }
  const lines = flow(
    targets.map((target, index) => describeTarget(target, index, now, screen)),
    screen.columns,
    '',
  );
  return lines.length <= MOST_TARGET_LINES
    ? lines
    : [...lines.slice(0, MOST_TARGET_LINES - 1), screen.colours.dim(`… ${counted(targets.length, 'target')}`)];
}

function describeTarget(target: TargetState, index: number, now: number, { colours, columns }: Screen): FlowItem {
  const { name, held, stuck, pendingSince, stuckSince, isGone } = target;
  const troubles = [
    ...(isGone ? ['is gone'] : []),
    ...(stuck === 0 ? [] : [`${formatCount(stuck)} stuck for ${secondsSince(stuckSince, now)}`]),
    ...(pendingSince === undefined ? [] : [`no answer for ${secondsSince(pendingSince, now)}`]),
  ];
  const all = isGone ? troubles : [`${formatCount(held)} held`, ...troubles];
  const label = `${index + 1} `;
  // What is held can be seen below: it makes way for troubles.
  const tails = [all, troubles].map((parts) => `: ${parts.join(', ')}`);
  const tail = tails.find((each) => label.length + 4 + each.length <= columns) ?? tails[1] ?? '';
  const room = Math.max(4, columns - label.length - tail.length);
  const text = truncate(label + truncate(printable(name), room) + tail, columns);
  const colour =
    isGone || stuck > 0 ? colours.red : pendingSince === undefined ? (plain: string) => plain : colours.yellow;
  return { text: colour(text), width: displayWidth(text) };
}

function secondsSince(since: number | undefined, now: number): string {
  const seconds = Math.floor((now - (since ?? now)) / 1000);
  return seconds < 120 ? `${seconds} s` : formatDuration(1000 * seconds);
}

function drawMap(state: WatchState, shown: Shown, screen: Screen): string[] {
  const { rows, first, page } = shown;
  const layout = layOutRows(state, screen);
  const heading = drawHeading(layout, state, screen);
  if (rows.length === 0) {
    const why = state.rows.length === 0 ? 'nothing is mapped' : 'nothing matches the filter';
    return [heading, screen.colours.dim(`  ${why}`)];
  }
  return [heading, ...rows.slice(first, first + page).map((row) => drawRow(row, layout, state, screen))];
}

function drawLatestProblems(problems: readonly ShownProblem[], screen: Screen): string[] {
  const most = Math.min(MOST_PROBLEM_LINES, Math.max(1, Math.floor(screen.rows / 5)));
  const lines: string[] = [];
  for (const problem of problems.slice(-most).reverse()) {
    const drawn = drawProblem(problem, screen);
    if (lines.length > 0 && lines.length + drawn.length > most) {
      break;
    }
    lines.unshift(...drawn);
  }
  const hidden = lines.length - most;
  return hidden <= 0 ? lines : [...lines.slice(0, most - 1), screen.colours.dim('  … e shows all')];
}

function drawProblems(problems: readonly ShownProblem[], screen: Screen, room: number): string[] {
  const lines = problems.flatMap((problem) => drawProblem(problem, screen));
  return lines.length === 0 ? [screen.colours.dim('  nothing has gone wrong')] : lines.slice(-room);
}

function drawProblem({ text, severity, count }: ShownProblem, { colours, columns }: Screen): string[] {
  const times = count === 1 ? '' : ` (${formatCount(count)} times)`;
  const lines = fold(`${severity}: ${printable(text)}${times}`, columns, 2);
  return lines.map(severity === 'error' ? colours.red : colours.yellow);
}

function drawHelp({ colours, columns }: Screen): string[] {
  const width = Math.max(...KEYS.map(([keys]) => keys.length));
  return [
    colours.bold('Keys'),
    ...KEYS.flatMap(([keys, what]) =>
      fold(`  ${keys.padEnd(width)}  ${what}`, columns, Math.min(width + 4, columns >> 1)),
    ),
    '',
    ...fold('+ has come, - has gone: in the last two seconds. ! a target still has it, and should not.', columns, 2),
  ];
}

function drawFoot(view: View, { rows, first, page }: Shown, { colours, columns }: Screen): string {
  if (view.typed !== undefined) {
    const room = columns - 2;
    const typed = printable(view.typed);
    // Each takes two columns at most.
    const most = Math.max(0, (room - 1) >> 1);
    const all = graphemes(typed);
    const end = all.slice(Math.max(0, all.length - most)).join('');
    return `/${displayWidth(typed) <= room ? typed : `…${end}`}${colours.inverse(' ')}`;
  }
  const isScrolled = view.page === 'map' && rows.length > page;
  const place = isScrolled
    ? `${formatCount(first + 1)}-${formatCount(first + page)} of ${formatCount(rows.length)}`
    : '';
  const filter = view.filter === '' ? [] : [`filter "${truncate(printable(view.filter), 20)}"`];
  const room = columns - (place === '' ? 0 : place.length + 2);
  const choices = [
    [...filter, 'q quit', 'p pause', '/ filter', 'arrows scroll', 'e errors', '? help'],
    [...filter, 'q quit', 'p pause', '/ filter', '? help'],
    [...filter, 'q quit', '? help'],
    ['? help'],
  ];
  const line = choices.map((words) => words.join('  ')).find((text) => displayWidth(text) <= room) ?? '?';
  return colours.dim(place === '' ? line : fit(line, room + 2) + place);
}
