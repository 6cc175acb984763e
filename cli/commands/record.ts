import { fstatSync } from 'node:fs';
import type { Command } from 'commander';
import { QemuSource } from '../../sources/index.js';
import { complaint } from '../complain.js';
import { Interruption } from '../interruption.js';
import { helpText } from '../output/help.js';
import { RecordProgressLine } from '../output/record-progress.js';
import { counted, formatDuration } from '../output/text.js';
import { openSink } from '../output/text-sink.js';
import { Recording } from '../record/record.js';
import { usageErrors } from '../usage-errors.js';
import { addQemuOptions, type QemuOptions } from './qemu-options.js';

interface RecordCommandOptions extends QemuOptions {
  readonly qmp: string;
  readonly output?: string;
}

const HELP = `
QEMU needs a monitor socket for this command, besides those of other programs: QMP serves one client at a time.
  $ qemu-system-x86_64 -qmp unix:qmp.sock,server=on,wait=off …

The memory map ("info mtree -f") is read once each interval, by a command that changes nothing. A state that lasts longer than the interval is recorded; a shorter one may be missed. Each change is one commit, which is written at once, and whole.

Only sections of memory (ram, rom, romd, ramd) are recorded. Sections of the kinds i/o and container, such as the registers of devices, are left out, and so are the contents of the memory.

When QEMU ends, so does the recording. With --reconnect it goes on if QEMU comes back in time at the same socket; what has changed in the meantime is one commit.

Examples:
  $ dma-streams record --qmp qmp.sock -o boot.jsonl
  $ dma-streams record --qmp qmp.sock | dma-streams replay -
  $ dma-streams record --qmp qmp.sock --interval 10 -o boot.jsonl
  $ dma-streams record --qmp qmp.sock --reconnect 30000 -o restarts.jsonl

Exit status:
  0  QEMU has ended, or the recording was ended by Ctrl-C (SIGINT); the trace is complete
  1  QEMU could not be connected to, did not answer in time, or ended in the middle of an answer; or the trace could not be written. What was recorded before is there
  2  invalid usage
  143 ended by SIGTERM; the trace is complete
`;

/** Adds `dma-streams record` to the program. */
export function addRecordCommand(program: Command): void {
  const command = program.command('record');
  command
    .summary("record a running QEMU's memory map as a trace")
    .description("Records a running QEMU's memory map as a trace for replay, until QEMU ends or Ctrl-C.")
    .requiredOption('--qmp <socket>', "path of the socket of QEMU's -qmp unix:PATH,server=on,wait=off")
    .option('-o, --output <file>', 'write the trace to this file, which is replaced; default: standard output');
  addQemuOptions(command)
    .addHelpText('after', helpText(HELP))
    .configureOutput(usageErrors('dma-streams record'))
    .action(async (options: RecordCommandOptions) => {
      process.exitCode = await runRecord(options);
    });
}

/** Returns the exit status. */
async function runRecord(options: RecordCommandOptions): Promise<number> {
  const { qmp, output, ...sourceOptions } = options;
  const interruption = new Interruption();
  using source = await QemuSource.connect(qmp, sourceOptions);
  await using sink = await openSink(output);
  const signal = interruption.defer();
  const recording = new Recording();
  const isShown = process.stderr.isTTY && (output !== undefined || isFile(process.stdout.fd));
  {
    using line = isShown ? new RecordProgressLine(process.stderr, () => recording) : undefined;
    await recording.run(source, sink, { signal, wrote: () => line?.draw() });
  }
  const { warning, commits, extent } = recording;
  if (warning !== undefined) {
    process.stderr.write(complaint(`warning: ${warning}`, process.stderr));
  }
  const why = signal.aborted ? '' : 'QEMU has ended; ';
  const where = output === undefined ? '' : ` in ${output}`;
  const what =
    commits === 0
      ? 'nothing was recorded: the trace is empty'
      : `recorded ${counted(commits, 'commit')} over ${formatDuration(extent)}${where}`;
  process.stderr.write(complaint(`${why}${what}`, process.stderr));
  return interruption.status === STATUS_OF_SIGTERM ? STATUS_OF_SIGTERM : 0;
}

const STATUS_OF_SIGTERM = 143;

function isFile(descriptor: number): boolean {
  return fstatSync(descriptor).isFile();
}
