import { Argument, type Command } from 'commander';
import { complaint } from '../complain.js';
import { TraceError } from '../errors.js';
import { Interruption } from '../interruption.js';
import { helpText } from '../output/help.js';
import { openSink } from '../output/text-sink.js';
import { DUMP_KINDS, readDump, type DumpKind } from '../record/read-dump.js';
import { TraceWriter } from '../trace/trace-writer.js';
import { usageErrors } from '../usage-errors.js';

interface ImportCommandOptions {
  readonly output?: string;
  readonly addressSpace: string;
}

const HELP = `
Kinds of dumps:
  mtree   what QEMU's monitor prints for "info mtree -f", or for "info mtree", which is less exact: it does not tell which aliases are read-only. A transcript of a session may be given as it is
  iomem   /proc/iomem of Linux, read by root: others see only zeros. System RAM, persistent memory and ROM are memory, with their addresses as offsets

The trace has one commit, with all memory of the dump. A dump that was cut short is refused.

Examples:
  $ echo 'info mtree -f' | socat - unix-connect:monitor.sock > mtree.txt
  $ dma-streams import mtree mtree.txt -o pc.jsonl
  $ sudo cat /proc/iomem | dma-streams import iomem - | dma-streams replay -

Exit status:
  0  the trace was written
  1  the trace could not be written
  2  invalid usage, or an invalid dump: no file is made or changed
`;

/** Adds `dma-streams import` to the program. */
export function addImportCommand(program: Command): void {
  program
    .command('import')
    .summary('make a trace of a dump of a memory map')
    .description('Makes a trace of a dump of a memory map.')
    .addArgument(new Argument('<kind>', 'kind of the dump').choices(DUMP_KINDS))
    .argument('<file>', 'the dump; - for standard input')
    .option('-o, --output <file>', 'write the trace to this file, which is replaced; default: standard output')
    .option('--address-space <name>', 'import this address space of QEMU', 'memory')
    .addHelpText('after', helpText(HELP))
    .configureOutput(usageErrors('dma-streams import'))
    .action(async (kind: DumpKind, path: string, options: ImportCommandOptions) => {
      await runImport(kind, path, options);
    });
}

async function runImport(kind: DumpKind, path: string, options: ImportCommandOptions): Promise<void> {
  new Interruption();
  const { sections, warning } = await readDump(kind, path, options.addressSpace);
  const writer = new TraceWriter();
  const lines = writer.commit(0, sections);
  if (lines === '') {
    throw new TraceError(
      path,
      undefined,
      'the dump has no memory',
      'is this the right file, and the right address space?',
    );
  }
  if (warning !== undefined) {
    process.stderr.write(complaint(`warning: ${warning}`, process.stderr));
  }
  await using sink = await openSink(options.output);
  await sink.write(lines);
}
