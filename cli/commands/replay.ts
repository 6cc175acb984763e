import type { Command } from 'commander';
import { helpText } from '../output/help.js';
import { JsonOutput } from '../output/json-output.js';
import { LineWriter } from '../output/line-writer.js';
import { NO_PROGRESS, progressBar, type Progress } from '../output/progress.js';
import { terminalOf } from '../output/terminal.js';
import { TextOutput } from '../output/text-output.js';
import type { Speed } from '../replay/pace.js';
import { replay } from '../replay/replay.js';
import { succeeded, type CommitResult, type ReplayObserver, type ReplayReport } from '../replay/report.js';
import { chooseTargets, DEFAULT_TARGETS, TARGET_HELP, TARGET_SETTINGS_HELP } from '../replay/target-choice.js';
import { readArrivingTrace } from '../trace/read-arriving-trace.js';
import { readTrace } from '../trace/read-trace.js';
import { complainer } from '../complain.js';
import { Interruption } from '../interruption.js';
import { collect, usageErrors } from '../usage-errors.js';
import { speedOption } from './speed-option.js';
import { tracePath } from './trace-path.js';

interface ReplayCommandOptions {
  readonly target?: readonly string[];
  readonly speed: Speed;
  readonly demo?: true;
  readonly json?: true;
  readonly quiet?: true;
}

interface Output extends ReplayObserver {
  finished(report: ReplayReport): void;
}

const HELP = `
Targets:
${TARGET_HELP.map(([name, what]) => `  ${name.padEnd(18)} ${what}`).join('\n')}
${TARGET_SETTINGS_HELP}
  Default targets: ${DEFAULT_TARGETS.join(', ')}; the log is then shortened.
  ADDRESS is the address of a PCI device, such as 0000:00:04.0; dma-streams doctor lists the devices that can be used. A real IOMMU pins all memory of the trace. If the device is QEMU's edu device (1234:11e8), it performs the DMA of the check at the end. With any other device the mappings are made, but not checked by DMA.
  SOCKET is the socket of a vhost-user back end that has no other client. A back end performs DMA only for a driver in the guest, so it is not checked by DMA: the check counts the mappings that it shares, and asks it for an answer after the last commit.

Examples:
  $ dma-streams replay examples/traces/q35-boot.jsonl
  $ dma-streams replay examples/traces/pc-overlays.jsonl
  $ dma-streams replay boot.jsonl --target soft:iommufd --quiet
  $ dma-streams replay boot.jsonl --target log --target soft --speed real
  $ dma-streams replay boot.jsonl --target vfio:0000:00:04.0 --target soft
  $ dma-streams replay boot.jsonl --target vhost-user:/run/disk.sock --target soft
  $ dma-streams replay boot.jsonl --json | jq -c 'select(.op == "summary").dma'
  $ dma-streams replay --demo
  $ dma-streams replay boot.jsonl --speed 10
  $ dma-streams record --qmp qmp.sock | dma-streams replay -

A trace is JSON Lines, as recorded from a running QEMU:
  {"ms":1,"commit":0,"op":"add","start":"0x0","end":"0xa0000","name":"ram0","kind":"ram","offset":"0x0"}
  All lines with the same commit number form one transaction. "op" is "add" or "remove"; a remove repeats the fields of its add. "end" is exclusive. "kind" is the type that QEMU's "info mtree -f" prints:
    ram, nv-ram       memory
    rom, nv-rom       memory that neither the guest nor a device can write
    ramd, romd        like ram and rom, but memory of a device
    i/o, container    no memory: a hole, which is not mapped
  "lines", how many lines the commit has, is optional. With it, a trace on standard input is replayed commit by commit without delay, and a trace that was cut short is found. Without it, a commit is whole when the next one begins, or nothing has come for 250 ms; lines of it that come later are a transaction of their own. Standard input is checked as it comes: an invalid line ends the replay, and everything is unmapped.
  "priority", a finite number, is optional. Sections without one must not overlap. A section with one may overlap any other: of those at an address, the one with the highest priority shows (default 0), and of equals the one that was added first. With a priority, i/o covers the memory below it, as do the pages that a section takes only in part. The picture shows what is covered at the end.
  If a section does not begin and end at multiples of 0x1000, only its whole pages are mapped, with a warning. A section without a whole page is a hole. "start" and "offset" must be equal modulo 0x1000.

Exit status:
  0  success
  1  a target call, a commit or the DMA check failed; memory of a device (a BAR) was skipped at a target that cannot map it; not everything could be unmapped at the end; a target could not be opened; a back end was gone before the end; or there is not enough memory
  2  invalid usage, or an invalid trace
  130, 143
     interrupted: 130 by Ctrl-C (SIGINT), 143 by SIGTERM. The current commit is completed, everything is unmapped, the targets are detached, and the last line reports how many commits were replayed. A second signal ends the process immediately.
`;

/** Adds `dma-streams replay` to the program. */
export function addReplayCommand(program: Command): void {
  program
    .command('replay')
    .summary("replay a machine's memory-map events through DMA targets")
    .description(
      "Replays a machine's memory-map events: every commit becomes one change set, which is sent to each target. " +
        'After the last commit, DMA through every mapping verifies that devices access the correct bytes.',
    )
    .argument(
      '[trace]',
      'trace file in JSON Lines format; - for standard input, of which each commit is replayed as it arrives',
    )
    .option('--demo', 'replay the boot of a PC, a trace that is part of this program')
    .option('-t, --target <name[:arg]>', 'send change sets to this target; may be repeated, the order is kept', collect)
    .addOption(speedOption('max'))
    .option('--json', 'write JSON Lines: target calls, commits, and a summary')
    .option('-q, --quiet', 'print only the result')
    .addHelpText('after', helpText(HELP))
    .configureOutput(usageErrors('dma-streams replay'))
    .action(async (trace: string | undefined, options: ReplayCommandOptions) => {
      process.exitCode = await runReplay(tracePath('replay', trace, options.demo === true), options);
    });
}

/** Returns the exit status. */
async function runReplay(path: string, options: ReplayCommandOptions): Promise<number> {
  const isLive = options.speed !== 'max' || path === '-';
  const interruption = new Interruption();
  const targets = chooseTargets(options.target ?? DEFAULT_TARGETS);
  const trace = await (path === '-' ? readArrivingTrace() : readTrace(path));
  const shown = options.speed !== 'max' && options.quiet !== true && trace.arriving === undefined;
  const progress = shown ? progressBar(trace.commits.length, process.stderr) : NO_PROGRESS;
  const output = outputFor(options, isLive);
  let report: ReplayReport;
  try {
    const signal = interruption.defer();
    report = await replay(trace, { targets, speed: options.speed, signal }, following(output, progress));
  } finally {
    progress.stop();
  }
  output.finished(report);
  if (report.interrupted !== undefined) {
    return interruption.status ?? 1;
  }
  return succeeded(report) ? 0 : 1;
}

function outputFor(options: ReplayCommandOptions, isLive: boolean): Output {
  const live = isLive || process.stdout.isTTY;
  const complain = complainer(process.stderr);
  if (options.json === true) {
    return new JsonOutput(new LineWriter(process.stdout, { live }), complain);
  }
  const terminal = terminalOf(process.stdout, process.env);
  const out = new LineWriter(process.stdout, { live, limit: terminal.limit });
  return new TextOutput(out, complain, terminal, {
    logStyle: options.target === undefined ? 'compact' : 'full',
    quiet: options.quiet ?? false,
  });
}

/** Hides the progress bar while the output is written, and advances it after each commit. */
function following(output: Output, progress: Progress): ReplayObserver {
  return {
    started: output.started.bind(output),
    called: output.called.bind(output),
    warned: (warning) => {
      progress.clear();
      output.warned(warning);
    },
    committed: async (result: CommitResult) => {
      progress.clear();
      await output.committed(result);
      progress.advance(result.index + 1);
    },
  };
}
