import type { Command } from 'commander';
import { bind, type BindOptions, type BindOutput } from '../bind/bind.js';
import { THIS_KERNEL, type DriverSystem } from '../bind/driver-system.js';
import { unbind } from '../bind/unbind.js';
import { complaint } from '../complain.js';
import { Interruption } from '../interruption.js';
import { helpText } from '../output/help.js';
import { LineWriter } from '../output/line-writer.js';
import { terminalOf } from '../output/terminal.js';
import { printable } from '../output/text.js';
import { usageErrors } from '../usage-errors.js';

const DEVICE = `
DEVICE is a PCI address (0000:01:00.0, or 01:00.0 in domain 0), a network interface or disk (eth0, nvme0n1), or the number of an IOMMU group, which means all of its devices.
`;

const STATUS = `
Exit status:
  0  done, or there was nothing to do
  1  refused, or failed: everything is as it was before, or the message says what is not
  2  invalid usage, or no such device
  130 interrupted by Ctrl-C (SIGINT); 143 by SIGTERM; the running change is completed first
`;

const BIND_HELP = `${DEVICE}
Needs root. A device can only be assigned to a program together with its IOMMU group: --group binds all of its devices, except for bridges that start no DMA. A bridge, and a device in use (a mounted disk, a network interface that is up, swap space, the display of this machine), is refused without --force. The module vfio-pci is loaded if necessary, and stays loaded. The binding lasts until the next restart.

Examples:
  $ sudo npx dma-streams bind 0000:01:00.0
  $ npx dma-streams bind --group eth1 --dry-run
${STATUS}`;

const UNBIND_HELP = `${DEVICE}
Needs root. The kernel chooses the driver: the one from before, as long as it is loaded. A device that a program has open is refused.

Examples:
  $ sudo npx dma-streams unbind 0000:01:00.0
  $ npx dma-streams unbind --group 01:00.0 --dry-run
${STATUS}`;

type Change = (word: string, options: BindOptions, system: DriverSystem, out: BindOutput) => Promise<void>;

/** Adds `dma-streams bind` and `dma-streams unbind` to the program. */
export function addBindCommands(program: Command): void {
  driverCommand(program, 'bind', bind, 'bind a PCI device to vfio-pci', BIND_HELP)
    .description('Binds a PCI device to vfio-pci, so that a program can be given it.')
    .option('--force', 'also a bridge, or a device in use');
  driverCommand(program, 'unbind', unbind, 'give a PCI device back to its driver', UNBIND_HELP).description(
    'Gives a PCI device that is bound to vfio-pci back to its driver.',
  );
}

function driverCommand(program: Command, name: string, change: Change, summary: string, help: string): Command {
  return program
    .command(name)
    .summary(summary)
    .argument('<device>', 'PCI address, name of an interface or disk, or number of an IOMMU group')
    .option('-g, --group', 'all devices of its IOMMU group')
    .option('-n, --dry-run', 'print the shell commands that do the same, and change nothing')
    .addHelpText('after', helpText(help))
    .configureOutput(usageErrors(`dma-streams ${name}`))
    .action(async (word: string, options: BindOptions) => {
      process.exitCode = await run(change, word, options);
    });
}

/** Returns the exit status. */
async function run(change: Change, word: string, options: BindOptions): Promise<number> {
  const interruption = new Interruption();
  interruption.defer();
  // Commands stay whole, for a shell to read them.
  const limit = options.dryRun === true ? Infinity : terminalOf(process.stdout, process.env).limit;
  const out = new LineWriter(process.stdout, { live: true, limit });
  await change(word, options, THIS_KERNEL, {
    line: (text) => {
      out.writeLine(printable(text));
    },
    waiting: (command) => {
      process.stderr.write(complaint(`waiting for the kernel: ${command}`, process.stderr));
    },
  });
  out.flush();
  return interruption.status ?? 0;
}
