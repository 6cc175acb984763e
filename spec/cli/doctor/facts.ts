import { expect } from 'chai';
import { diagnose, reportOf } from '../../../cli/doctor/diagnose.js';
import { examine } from '../../../cli/doctor/examine.js';
import type { Check, DoctorFacts } from '../../../cli/doctor/report.js';
import { drawDoctor } from '../../../cli/output/doctor-text.js';
import { terminalOf } from '../../../cli/output/terminal.js';
import type { FakeMachine } from './fake-machine.js';

export const OPENS = { works: true } as const;

/** The machine in the folders, as if VFIO and iommufd could be opened there. */
export async function factsOf({ roots }: FakeMachine): Promise<DoctorFacts> {
  const facts = await examine(roots);
  return {
    ...facts,
    vfio: { ...facts.vfio, open: OPENS },
    iommufd: { ...facts.iommufd, open: OPENS, mapsFiles: true },
  };
}

/** One check of the doctor. */
export function check(facts: DoctorFacts, name: string): Check {
  const found = diagnose(facts).find((one) => one.name === name);
  expect(found, name).to.not.equal(undefined);
  return found as Check;
}

export const commandsOf = ({ cures }: Check): readonly string[] => cures.flatMap(({ commands }) => commands);

/** The lines of the whole report, without colours. */
export function draw(facts: DoctorFacts, columns?: number): readonly string[] {
  return drawDoctor(reportOf(facts), terminalOf(columns === undefined ? {} : { columns }, { NO_COLOR: '1' }));
}
