import { Command } from 'commander';
import { addBindCommands } from './commands/bind.js';
import { addDoctorCommand } from './commands/doctor.js';
import { addImportCommand } from './commands/import.js';
import { addRecordCommand } from './commands/record.js';
import { addReplayCommand } from './commands/replay.js';
import { addWatchCommand } from './commands/watch.js';
import { manifest } from './manifest.js';
import { foldHelp, helpText } from './output/help.js';
import { terminalOf } from './output/terminal.js';
import { usageErrors } from './usage-errors.js';

const EXAMPLES = `
Examples:
  $ dma-streams replay --demo                            a PC boots, as seen by three targets
  $ dma-streams record --qmp qmp.sock -o boot.jsonl      what a running QEMU does with its memory map
  $ dma-streams watch --qmp qmp.sock                     the same, live, in the terminal
  $ dma-streams doctor                                   what works on this machine, and what would cure the rest
  $ dma-streams help replay                              all about one command
`;

/** The command-line program. Throws a `CommanderError` instead of ending the process. */
export function createProgram(): Command {
  const program = new Command('dma-streams')
    .description('DMA mapping for virtual machine monitors: guest memory changes, fanned out to IOMMUs.')
    .version(manifest().version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print help for a command')
    .addHelpText('after', helpText(EXAMPLES))
    .exitOverride()
    .configureOutput({
      ...usageErrors('dma-streams'),
      writeOut: writeHelp(process.stdout),
      writeErr: writeHelp(process.stderr),
    });
  addReplayCommand(program);
  addWatchCommand(program);
  addRecordCommand(program);
  addImportCommand(program);
  addDoctorCommand(program);
  addBindCommands(program);
  return program;
}

/** Writes commander's own help, folded to the width of the stream. */
function writeHelp(stream: NodeJS.WriteStream): (text: string) => void {
  return (text) => {
    stream.write(foldHelp(text, terminalOf(stream, process.env).limit));
  };
}
