import type { Command } from 'commander';
import { deviceReportOf, devicesToCheck, isUsable } from '../doctor/device-report.js';
import { reportOf } from '../doctor/diagnose.js';
import { examine } from '../doctor/examine.js';
import { THIS_MACHINE } from '../doctor/machine-files.js';
import type { DoctorReport } from '../doctor/report.js';
import { parseRequirements, REQUIREMENT_NAMES } from '../doctor/requirements.js';
import { drawDeviceReport } from '../output/device-text.js';
import { drawDoctor } from '../output/doctor-text.js';
import { helpText } from '../output/help.js';
import { LineWriter } from '../output/line-writer.js';
import { terminalOf } from '../output/terminal.js';
import { printableJson } from '../output/text.js';
import { collect, usageErrors } from '../usage-errors.js';

const HELP = `
Checks Node.js and the native addon, the IOMMU, its groups and their PCI devices, VFIO, iommufd, KVM, permissions, and limits: locked memory, DMA entries, huge pages, host mappings. It is read-only: it changes nothing on the machine.

With DEVICE, the report is about this device alone: its driver, its group, interrupts, device files, reset and limits; what stands in the way of using it, and what removes that. vfio, iommufd and devices (--require) are then about this device, too.

Requirements (--require):
  software   software IOMMUs work
  iommu      this machine has an IOMMU, and the kernel assigns devices behind it
  vfio       VFIO type1 can be opened
  iommufd    iommufd can be opened
  devices    at least one device is bound to vfio-pci and ready for use
  kvm        a virtual machine ran
  memlock    the limit of locked memory is at least 1 GiB
  hugepages  huge pages are reserved

Examples:
  $ dma-streams doctor
  $ dma-streams doctor 0000:01:00.0
  $ dma-streams doctor eth1 --require iommufd
  $ dma-streams doctor --require kvm,iommufd > /dev/null || exit
  $ dma-streams doctor --json | jq '.ready.type1'

Exit status:
  0  at least software IOMMUs work; with DEVICE: it can be used; with --require: all of that works
  1  software IOMMUs do not work; with DEVICE: it cannot be used; with --require: something of that does not work
  2  invalid usage, or no such device
  130 interrupted by Ctrl-C (SIGINT); 143 by SIGTERM
`;

/** Adds `dma-streams doctor` to the program. */
export function addDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .summary('report what works on this machine, and how to fix what does not')
    .description('Reports what works on this machine, what does not, and which commands fix each problem.')
    .argument('[device]', 'only this PCI device: address, name of an interface or disk, or number of an IOMMU group')
    .option('--json', 'write the report as one JSON document')
    .option(
      '-r, --require <what>',
      `end with status 1 unless this works: ${REQUIREMENT_NAMES}; may be repeated, or a list`,
      collect,
    )
    .addHelpText('after', helpText(HELP))
    .configureOutput(usageErrors('dma-streams doctor'))
    .action(async (device: string | undefined, options: DoctorOptions) => {
      process.exitCode = await runDoctor(device, options);
    });
}

interface DoctorOptions {
  readonly json?: true;
  readonly require?: readonly string[];
}

/** Returns the exit status. */
async function runDoctor(device: string | undefined, { json, require = [] }: DoctorOptions): Promise<number> {
  const requirements = parseRequirements(require);
  const devices = device === undefined ? [] : devicesToCheck(device, THIS_MACHINE);
  const facts = await examine();
  const report =
    devices.length === 0 ? reportOf(facts, requirements) : deviceReportOf(devices, facts, requirements, THIS_MACHINE);
  writeReport(report, json === true);
  const works = devices.length > 0 ? report.devices.every(isUsable) : requirements.length > 0 || report.ready.software;
  return works && report.required.every(({ met }) => met) ? 0 : 1;
}

function writeReport(report: DoctorReport, json: boolean): void {
  const terminal = terminalOf(process.stdout, process.env);
  const out = new LineWriter(process.stdout, { live: false, ...(json ? {} : { limit: terminal.limit }) });
  const lines = json
    ? [printableJson(JSON.stringify(report, undefined, 2))]
    : report.devices.length === 0
      ? drawDoctor(report, terminal)
      : drawDeviceReport(report, terminal);
  for (const line of lines) {
    out.writeLine(line);
  }
  out.flush();
}
