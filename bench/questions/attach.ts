import { EventEmitter } from 'node:events';
import type { Attachment, DmaMapRequest } from '../../streams/index.js';
import { timed, timedNow } from '../support/clock.js';
import { filled } from '../support/filled.js';
import { idleTarget } from '../support/idle-target.js';
import { buildNative, NativeProgram } from '../support/native-program.js';
import type { Figure, Host, Measured, Parameters, Question, Round, Samples } from '../support/question.js';
import { ATTACH_RATIOS, STALL_MS } from '../support/limits.js';
import { slot } from '../support/scattered.js';
import { longestStall } from '../support/stall.js';
import { FigureMaker } from '../support/statistics.js';

const COUNTS = [65_535, 1_000_000];
const QUICK_COUNTS = [4_000];

export const attach: Question = {
  name: 'attach',
  title: 'attach and detach of a target',
  about:
    'A no-op target is attached to a manager with the given number of mappings, receives each of them, and is detached. The stall is the ' +
    'longest delay of a timer of one millisecond during that time, measured in separate rounds.',

  hosts(quick: boolean): Host[] {
    const counts = quick ? QUICK_COUNTS : COUNTS;
    return counts.flatMap((count): Host[] => {
      const times = quick ? { rounds: 3, warmUps: 1 } : { rounds: count > 100_000 ? 9 : 15, warmUps: 3 };
      return [
        { name: `${count} mappings`, parameters: { count }, ...times },
        { name: `baselines, ${count} mappings`, parameters: { count, baselines: true }, ...times },
      ];
    });
  },

  setUp(parameters: Parameters): Promise<Measured> {
    const count = Number(parameters['count']);
    return parameters['baselines'] === true ? setUpBaselines(count) : setUpAttach(count);
  },

  figures(samples: Samples): Figure[] {
    const make = new FigureMaker(samples);
    return [...QUICK_COUNTS, ...COUNTS].flatMap((count) => {
      const of = `${count.toLocaleString('en')} mappings`;
      const beside = (what: string): Readonly<Record<string, string>> => ({
        loop: `attach/loop/${count}`,
        'std::map': `attach/std-map/${count}/${what}`,
      });
      const rows = (kind: string, suffix: string): Figure[] => [
        ...make.ratio(
          `attach/${count}${kind}/attach/ratio`,
          `attach, ${of}${suffix}: × std::map`,
          `attach/${count}${kind}/attach`,
          `attach/std-map/${count}/attach`,
          { atMost: ATTACH_RATIOS[count] },
        ),
        ...make.figure(`attach/${count}${kind}/attach`, `attach, ${of}${suffix}, each`, 'ns', {
          beside: beside('attach'),
        }),
        ...make.figure(`attach/${count}${kind}/detach`, `detach, ${of}${suffix}, each`, 'ns', {
          beside: beside('detach'),
        }),
      ];
      const baseline = { baseline: true };
      return [
        ...rows('', ''),
        ...rows('/batch', ', a target that takes sets'),
        ...make.figure(`attach/${count}/stall`, `longest stall during attach and detach, ${of}`, 'ms', {
          atMost: STALL_MS,
        }),
        ...make.figure(`attach/${count}/idle-stall`, 'longest stall of an idle event loop', 'ms', baseline),
        ...make.figure(`attach/loop/${count}`, `a loop over ${of}, a function call each`, 'ns', baseline),
        ...make.figure(`attach/emitter/${count}`, `an EventEmitter, ${of}, each`, 'ns', baseline),
        ...make.figure(`attach/std-map/${count}/attach`, `std::map, a virtual call for each of ${of}`, 'ns', baseline),
      ];
    });
  },
};

async function setUpAttach(count: number): Promise<Measured> {
  const { manager } = await filled(count);
  const round = async (batch: boolean): Promise<{ readonly attach: number; readonly detach: number }> => {
    let attachment: Attachment | undefined;
    const attached = await timed(async () => {
      attachment = await manager.attach(idleTarget('idle', { batch }));
    });
    const detached = await timed(async () => attachment?.detach());
    return { attach: attached / count, detach: detached / count };
  };
  return {
    cases: {
      plain: async () => named(`attach/${count}`, await round(false)),
      batch: async () => named(`attach/${count}/batch`, await round(true)),
      stall: async () => ({ [`attach/${count}/stall`]: await longestStall(() => round(false)) }),
      'idle stall': async () => ({
        [`attach/${count}/idle-stall`]: await longestStall(() => new Promise((resolve) => setTimeout(resolve, 100))),
      }),
    },
  };
}

function named(
  id: string,
  { attach, detach }: { readonly attach: number; readonly detach: number },
): Record<string, number> {
  return { [`${id}/attach`]: attach, [`${id}/detach`]: detach };
}

/** Baselines: the same mappings in an array. */
async function setUpBaselines(count: number): Promise<Measured> {
  const requests = Array.from({ length: count }, (_, index): DmaMapRequest => ({
    range: slot(index),
    region: 'ram',
    type: 'ram',
    writable: true,
    fileOffset: 0n,
  }));
  const target = idleTarget('idle');
  const events = new EventEmitter();
  events.on('map', (request: DmaMapRequest) => void target.mapDma(request));
  const cases: Record<string, Round> = {
    loop: () => {
      const taken = timedNow(() => {
        for (const request of requests) {
          void target.mapDma(request);
        }
      });
      return { [`attach/loop/${count}`]: taken / count };
    },
    emitter: () => {
      const taken = timedNow(() => {
        for (const request of requests) {
          events.emit('map', request);
        }
      });
      return { [`attach/emitter/${count}`]: taken / count };
    },
  };
  try {
    const program = new NativeProgram(buildNative('map_loop'));
    await program.ask(`attach ${count}`);
    cases['std::map'] = async () => {
      const [attached = NaN, detached = NaN] = await program.ask(`attach ${count}`);
      return named(`attach/std-map/${count}`, { attach: attached, detach: detached });
    };
    return { cases };
  } catch (error) {
    return { cases, warnings: [error instanceof Error ? error.message : String(error)] };
  }
}
