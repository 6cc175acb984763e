import { setTimeout as sleep } from 'node:timers/promises';
import { timed } from '../support/clock.js';
import { exitCases, exitFigures, kvmMissing, PortWriter } from '../support/exits.js';
import { STALL_MS } from '../support/limits.js';
import { buildNative, NativeProgram } from '../support/native-program.js';
import type { Figure, Host, Measured, Parameters, Question, Samples } from '../support/question.js';
import { longestStall, StallMeter } from '../support/stall.js';
import { FigureMaker } from '../support/statistics.js';

const EXITS = 5000;
const RUN = 1_000_000;
const QUICK_RUN = 2000;

export const vcpu: Question = {
  name: 'vcpu',
  title: 'an exit of a vCPU, handled in JavaScript',
  about:
    'The guest writes to a port; each write is a run of its own. What it consists of, by C++ on one thread, on two, by the function of the ' +
    `addon (a thread-safe function and a promise in addition), and by KvmVcpu.run (a record in addition). Then ${RUN.toLocaleString('en')} ` +
    'exits in a row: the longest delay of a timer of one millisecond.',

  hosts(quick: boolean): Host[] {
    return [
      { name: 'exits', parameters: { quick }, rounds: quick ? 3 : 15, warmUps: quick ? 1 : 3 },
      { name: 'stall', parameters: { quick, stall: true }, rounds: 1, warmUps: 0 },
    ];
  },

  async setUp({ quick, stall }: Parameters): Promise<Measured> {
    const missing = kvmMissing();
    if (missing !== undefined) {
      return { cases: {}, warnings: [missing] };
    }
    const writer = await PortWriter.create();
    if (stall === true) {
      return {
        cases: {
          stall: async () => {
            let taken = 0;
            const { whole, withoutCollector } = await new StallMeter().longest(async () => {
              taken = await timed(() => writer.run(quick === true ? QUICK_RUN : RUN));
            });
            const idle = await longestStall(() => sleep(taken / 1e6));
            return { 'vcpu/stall': withoutCollector, 'vcpu/stall/whole': whole, 'vcpu/idle': idle };
          },
        },
      };
    }
    try {
      const program = new NativeProgram(buildNative('vcpu_loop'));
      return { cases: exitCases('vcpu', writer, program, EXITS) };
    } catch (error) {
      const warning = error instanceof Error ? error.message : String(error);
      return { cases: exitCases('vcpu', writer, undefined, EXITS), warnings: [warning] };
    }
  },

  figures(samples: Samples): Figure[] {
    const make = new FigureMaker(samples);
    const title = 'longest stall of the event loop, exits in a row';
    return [
      ...make.figure('vcpu/stall', title, 'ms', { atMost: STALL_MS }),
      ...exitFigures('vcpu', samples, 'ns'),
      ...make.figure('vcpu/stall/whole', `${title}, with the collector`, 'ms', { baseline: true }),
      ...make.figure('vcpu/idle', 'longest stall of an idle loop, for as long', 'ms', { baseline: true }),
    ];
  },
};
