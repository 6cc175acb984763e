import type { Command } from 'commander';
import { QemuSource } from '../../sources/index.js';
import { complaint } from '../complain.js';
import { reasonOf, TraceError, UsageError } from '../errors.js';
import { Interruption } from '../interruption.js';
import { helpText } from '../output/help.js';
import { LineWriter } from '../output/line-writer.js';
import { terminalOf } from '../output/terminal.js';
import { counted } from '../output/text.js';
import type { Speed } from '../replay/pace.js';
import { chooseTargets, TARGET_HELP, TARGET_SETTINGS_HELP } from '../replay/target-choice.js';
import { readArrivingTrace } from '../trace/read-arriving-trace.js';
import { readTrace } from '../trace/read-trace.js';
import { collect, usageErrors } from '../usage-errors.js';
import { qemuSource, traceSource, type CommitSource } from '../watch/commit-source.js';
import { openKeyboard } from '../watch/keyboard.js';
import { PlainFrontEnd } from '../watch/plain-front-end.js';
import { SlowClosing } from '../watch/slow-closing.js';
import { WatchSession } from '../watch/session.js';
import { showInTerminal } from '../watch/terminal-front-end.js';
import { KEYS } from '../watch/view.js';
import { showInBrowser } from '../watch/web-front-end.js';
import { addQemuOptions, type QemuOptions } from './qemu-options.js';
import { speedOption } from './speed-option.js';
import { tracePath } from './trace-path.js';
import { webAndTrace, webOption, type WebOption } from './web-option.js';

interface WatchCommandOptions extends QemuOptions, WebOption {
  readonly qmp?: string;
  readonly demo?: true;
  readonly target?: readonly string[];
  readonly speed: Speed;
}

const HELP = `
One of three is watched: a running QEMU (--qmp), a trace, or with - a trace on standard input, as it arrives.

On a terminal the picture is redrawn in place, at most ten times a second. What has come or gone in the last two seconds stands out. Each line is a mapping: its addresses, size, kind and name, and for each target whether it holds it. The lines at the top show the source, the generation (the number of changes so far), and each target, with what is stuck there and for how long it has not answered. Below are the latest warnings and errors. When the source ends, the picture stays until q.

Where the output is no terminal, or TERM is dumb, a line is written for each mapping that comes (+) or goes (-), after the number of its generation, until the source ends.

With --web there is a page for browsers instead, whose URL is printed: the address space to scale, each region, what each target holds, and the log of changes, with a time line to go back in. It is read-only, and goes on when the source has ended. It is for this machine alone, unless --web names another host, such as 0.0.0.0:8080 for all networks of this machine: then whoever can reach it sees the memory map. [::1]:8080 is an IPv6 address, localhost:0 any port that is free. Through ssh -L, use the same port at both ends. Write the trace before --web: the next word is taken as its value, unless it is the path of a file.

Kinds: ram can be written, rom can not; ramd and romd are memory of a device. As in a recording, sections of the kinds i/o and container are left out.

Keys:
${KEYS.map(([keys, what]) => `  ${keys.padEnd(16)} ${what}`).join('\n')}

Targets:
${TARGET_HELP.map(([name, what]) => `  ${name.padEnd(18)} ${what}`).join('\n')}
${TARGET_SETTINGS_HELP}
  Without --target there are none, and no change can fail. When a target fails, the change is undone at all of them, and the next one is tried.

Examples:
  $ dma-streams watch --demo
  $ dma-streams watch --qmp qmp.sock
  $ dma-streams watch --qmp qmp.sock --target soft --target soft:iommufd
  $ dma-streams watch --qmp qmp.sock --web 8080
  $ dma-streams watch boot.jsonl --speed 0.1
  $ dma-streams record --qmp qmp.sock | tee boot.jsonl | dma-streams watch -

Exit status:
  0  it was ended by q, or the source has ended
  1  QEMU could not be connected to, or did not answer in time; a target could not be opened, or the page not be served
  2  invalid usage, or an invalid trace
  130 ended by Ctrl-C (SIGINT); 143 by SIGTERM
`;

/** Adds `dma-streams watch` to the program. */
export function addWatchCommand(program: Command): void {
  const command = program.command('watch');
  command
    .summary('watch a memory map, and who holds what of it, as it changes')
    .description('Shows a memory map as it changes: that of a running QEMU, or of a trace.')
    .argument('[trace]', 'trace file in JSON Lines format; - for standard input')
    .option('--qmp <socket>', "path of the socket of QEMU's -qmp unix:PATH,server=on,wait=off")
    .option('--demo', 'the boot of a PC, a trace that is part of this program')
    .option('-t, --target <name[:arg]>', 'attach this target; may be repeated', collect)
    .addOption(speedOption(1, 'real'))
    .addOption(webOption());
  addQemuOptions(command)
    .addHelpText('after', helpText(HELP))
    .configureOutput(usageErrors('dma-streams watch'))
    .action(async (trace: string | undefined, options: WatchCommandOptions) => {
      process.exitCode = await runWatch(trace, options);
    });
}

/** Returns the exit status. */
async function runWatch(word: string | undefined, options: WatchCommandOptions): Promise<number> {
  const interruption = new Interruption();
  const targets = chooseTargets(options.target ?? []);
  const { address, trace } = webAndTrace(options, word, options.qmp !== undefined || options.demo === true);
  using qemu = await connected(trace, options);
  const source = qemu === undefined ? await openTrace(trace, options) : qemuSource(qemu, options);
  const signal = interruption.defer();
  using closing = new SlowClosing();
  await using session = await WatchSession.open(source, targets, signal);
  const isDrawn = address === undefined && process.stdout.isTTY && process.env.TERM !== 'dumb';
  if (address !== undefined) {
    await showInBrowser(session, address, { signal, ending: () => closing.begin(session) });
  } else {
    await (isDrawn ? watchInTerminal(session, signal, closing) : writePlainly(session, signal));
  }
  qemu?.close();
  const { phase, error } = session.status;
  if (isDrawn && trace === '-' && phase === 'following' && !signal.aborted) {
    // Whoever writes the trace would not notice until its next change.
    process.kill(0, 'SIGINT');
  }
  if (error !== undefined) {
    if (address === undefined) {
      process.stderr.write(complaint(reasonOf(error), process.stderr));
    }
    return error instanceof TraceError ? 2 : 1;
  }
  return interruption.status ?? 0;
}

/** `undefined` if it is not QEMU that is to be watched. */
async function connected(trace: string | undefined, options: WatchCommandOptions): Promise<QemuSource | undefined> {
  const { qmp, demo, interval, timeout, reconnect, addressSpace } = options;
  if (qmp === undefined) {
    return undefined;
  }
  if (trace !== undefined || demo === true) {
    throw new UsageError(`--qmp and ${trace ?? '--demo'} are two sources; give one of them`);
  }
  return QemuSource.connect(qmp, { interval, timeout, reconnect, addressSpace });
}

async function openTrace(trace: string | undefined, { demo, speed }: WatchCommandOptions): Promise<CommitSource> {
  if (trace === undefined && demo !== true) {
    throw new UsageError('nothing to watch: give --qmp SOCKET, a trace, or --demo; see dma-streams watch --help');
  }
  const path = tracePath('watch', trace, demo === true);
  if (path === '-' && process.stdin.isTTY) {
    throw new UsageError('standard input is a terminal; pipe a trace into this command, or give the path of a file');
  }
  return traceSource(await (path === '-' ? readArrivingTrace() : readTrace(path)), speed);
}

/** Until the user quits, or the signal is aborted. */
async function watchInTerminal(session: WatchSession, interrupted: AbortSignal, closing: SlowClosing): Promise<void> {
  const ending = new AbortController();
  const running = session.run(AbortSignal.any([interrupted, ending.signal]));
  {
    using keyboard = openKeyboard();
    await showInTerminal(session, { out: process.stdout, keys: keyboard.keys, signal: interrupted });
  }
  closing.begin(session);
  const { phase } = session.status;
  ending.abort();
  await running;
  const { generation, mappings } = session.manager.snapshot();
  const state = `generation ${generation}, ${counted(mappings.length, 'mapping')}`;
  const end = phase === 'ended' ? '; the source has ended' : '';
  process.stdout.write(`${session.description}: ${state}${end}\n`);
}

/** Until the source ends, or the signal is aborted. */
async function writePlainly(session: WatchSession, interrupted: AbortSignal): Promise<void> {
  const { limit } = terminalOf(process.stdout, process.env);
  const out = new LineWriter(process.stdout, { live: true, limit });
  using frontEnd = new PlainFrontEnd(session, out);
  await session.run(interrupted, () => frontEnd.ready());
}
