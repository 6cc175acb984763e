import type { Command } from 'commander';
import { diagnose } from '../doctor/diagnose.js';
import { examine } from '../doctor/examine.js';
import { readiness } from '../doctor/readiness.js';
import { drawDoctor } from '../output/doctor-text.js';
import { helpText } from '../output/help.js';
import { LineWriter } from '../output/line-writer.js';
import { terminalOf } from '../output/terminal.js';
import { printableJson } from '../output/text.js';
import { usageErrors } from '../usage-errors.js';

const HELP = `
Checks the native addon, the IOMMU, its groups and their PCI devices, VFIO, iommufd, KVM, permissions, and limits: locked memory, DMA entries, huge pages, host mappings. It is read-only: it changes nothing on the machine.

Examples:
  $ dma-streams doctor
  $ dma-streams doctor --json | jq '.ready.type1'

Exit status:
  0  at least software IOMMUs work
  1  software IOMMUs do not work
  2  invalid usage
  130 interrupted by Ctrl-C (SIGINT); 143 by SIGTERM
`;

/** Adds `dma-streams doctor` to the program. */
export function addDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .summary('report what works on this machine, and how to fix what does not')
    .description('Reports what works on this machine, what does not, and which commands fix each problem.')
    .option('--json', 'write the report as one JSON document')
    .addHelpText('after', helpText(HELP))
    .configureOutput(usageErrors('dma-streams doctor'))
    .action(async ({ json }: { readonly json?: true }) => {
      if (!(await runDoctor(json === true))) {
        process.exitCode = 1;
      }
    });
}

/** Returns whether at least software IOMMUs work. */
async function runDoctor(json: boolean): Promise<boolean> {
  const facts = await examine();
  const report = { facts, checks: diagnose(facts), ready: readiness(facts) };
  const terminal = terminalOf(process.stdout, process.env);
  const out = new LineWriter(process.stdout, { live: false, ...(json ? {} : { limit: terminal.limit }) });
  const lines = json
    ? [printableJson(JSON.stringify({ ready: report.ready, checks: report.checks, facts }, undefined, 2))]
    : drawDoctor(report, terminal);
  for (const line of lines) {
    out.writeLine(line);
  }
  out.flush();
  return report.ready.software;
}
