import { Option, type Command } from 'commander';
import { helpText } from '../output/help.js';
import { JsonOutput } from '../output/json-output.js';
import { LineWriter } from '../output/line-writer.js';
import { NOBODY_LOOKS, progressBar, type Progress } from '../output/progress.js';
import { terminalOf } from '../output/terminal.js';
import { TextOutput } from '../output/text-output.js';
import { replay } from '../replay/replay.js';
import { succeeded, type CommitResult, type ReplayObserver, type ReplayReport } from '../replay/report.js';
import { chooseTargets, DEFAULT_TARGETS, TARGET_HELP } from '../replay/target-choice.js';
import { readTrace } from '../trace/read-trace.js';
import { complainer } from '../complain.js';
import { Interruption } from '../interruption.js';
import { usageErrors } from '../usage-errors.js';

interface ReplayCommandOptions {
  readonly target?: readonly string[];
  readonly speed: 'max' | 'real';
  readonly json?: true;
  readonly quiet?: true;
}

interface Output extends ReplayObserver {
  finished(report: ReplayReport): void;
}

const HELP = `
Targets:
${TARGET_HELP.map(([name, what]) => `  ${name.padEnd(16)} ${what}`).join('\n')}
  A software IOMMU takes settings after its name, such as soft,reserved=none or soft:iommufd,aperture=0x0-0x8000000000,entries=100:
    aperture=A-B  the addresses that it translates; else 0x0-0x1000000000000
    reserved=A-B  addresses that it cannot map, once for each, or none; else the interrupt window 0xfee00000-0xfef00000 where this machine is x86
    entries=N     the most mappings that it holds
  Without --target: ${DEFAULT_TARGETS.join(', ')}, and the log is compact.
  ADDRESS is that of a PCI device, as 0000:00:04.0; dma-streams doctor shows which can be used. Real IOMMUs pin all memory of the trace. When the device is the edu of QEMU (1234:11e8), it does DMA itself in the check at the end; of others the mappings are made, and checked by no DMA.

Examples:
  $ dma-streams replay examples/traces/q35-boot.jsonl
  $ dma-streams replay boot.jsonl --target soft:iommufd --quiet
  $ dma-streams replay boot.jsonl --target log --target soft --speed real
  $ dma-streams replay boot.jsonl --target vfio:0000:00:04.0 --target soft
  $ dma-streams replay boot.jsonl --json | jq -c 'select(.op == "summary").dma'
  $ record-my-vm | dma-streams replay -

A trace is JSON Lines, as recorded from a running QEMU:
  {"ms":1,"commit":0,"op":"add","start":"0x0","end":"0xa0000","name":"ram0","kind":"ram","offset":"0x0"}
  All lines of one commit are one transaction. "op" is "add" or "remove"; a remove repeats its add. "end" is exclusive: the address after the last. "kind" is as in QEMU's "info mtree -f":
    ram, nv-ram       memory
    rom, nv-rom       memory that the guest, and a device, cannot write
    ramd, romd        the same as ram and rom, of a device
    i/o, container    no memory: a hole, where nothing is mapped
  Of a section that does not begin and end at multiples of 0x1000 the whole pages are mapped, and a warning says so; where there is none, it is a hole. "start" and "offset" must agree modulo 0x1000.

Exit status:
  0  all went well
  1  a call of a target, a commit or the DMA check failed; memory of a device (a BAR) was skipped at a target that cannot map it; not everything could be unmapped at the end; a target cannot be opened, or there is too little memory
  2  bad usage, or a bad trace
  130, 143
     interrupted: 130 by Ctrl-C (SIGINT), 143 by SIGTERM. A commit that is under way is finished, everything is unmapped, the targets are detached, and the last line says how far the replay came. A second signal ends it at once.
`;

/** Adds `dma-streams replay` to the program. */
export function addReplayCommand(program: Command): void {
  program
    .command('replay')
    .summary("replay a machine's memory-map events through DMA targets")
    .description(
      "Replays a machine's memory-map events: every commit becomes one change set, which goes to each target. " +
        'After the last one, device DMA through every mapping shows that it reaches the right bytes.',
    )
    .argument('<trace>', 'file in JSON Lines; - is standard input')
    .option('-t, --target <name[:arg]>', 'send change sets there; more than once for several, in this order', collect)
    .addOption(
      new Option('-s, --speed <speed>', 'as fast as can be, or at the recorded times')
        .choices(['max', 'real'])
        .default('max'),
    )
    .option('--json', 'write JSON Lines: each target call, each commit, a summary')
    .option('-q, --quiet', 'say only how it ended')
    .addHelpText('after', helpText(HELP))
    .configureOutput(usageErrors('dma-streams replay'))
    .action(async (trace: string, options: ReplayCommandOptions) => {
      process.exitCode = await runReplay(trace, options);
    });
}

function collect(value: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, value];
}

/** The exit status. */
async function runReplay(path: string, options: ReplayCommandOptions): Promise<number> {
  const interruption = new Interruption();
  const targets = chooseTargets(options.target ?? DEFAULT_TARGETS);
  const trace = await readTrace(path);
  const shown = options.speed === 'real' && options.quiet !== true;
  const progress = shown ? progressBar(trace.commits.length, process.stderr) : NOBODY_LOOKS;
  const output = outputFor(options);
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

function outputFor(options: ReplayCommandOptions): Output {
  const live = options.speed === 'real' || process.stdout.isTTY;
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

/** The output, with the progress bar taken away while it writes, and moved on after each commit. */
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
