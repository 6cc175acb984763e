import { EventEmitter } from 'node:events';
import { native } from '../../binding/native.js';
import type { DmaMapRequest, DmaTarget, MappingParams } from '../../streams/index.js';
import { timedNow } from '../support/clock.js';
import { idleTarget } from '../support/idle-target.js';
import { buildNative, NativeProgram } from '../support/native-program.js';
import type { Measured, Parameters, Round } from '../support/question.js';
import { mapping } from '../support/scattered.js';
import { ordersOf } from './change-cases.js';

const CHANGES = 100_000;

/** Baselines: a change without ordering, checks and rollback; and in C++. */
export async function changeBaselines(parameters: Parameters, targetCounts: readonly number[]): Promise<Measured> {
  const cases: Record<string, Round> = { 'bare call': bareCall() };
  for (const count of targetCounts) {
    cases[`loop ${count}`] = loop(count);
    cases[`emitter ${count}`] = emitter(count);
  }
  try {
    const program = new NativeProgram(buildNative('map_loop'));
    for (const count of String(parameters['counts']).split(' ')) {
      for (const targets of targetCounts) {
        for (const order of ordersOf(targets)) {
          const id = `change/std-map/${count}/${targets}/${order}`;
          const request = `change ${count} ${targets} ${order} ${CHANGES}`;
          // The first one builds the map.
          await program.ask(request);
          cases[id] = async () => ({ [id]: (await program.ask(request))[0] ?? NaN });
        }
      }
    }
    return { cases };
  } catch (error) {
    return { cases, warnings: [error instanceof Error ? error.message : String(error)] };
  }
}

/** A call into the addon that only checks a handle. */
function bareCall(): Round {
  const file = native().memfdCreate('bench', 0);
  if (typeof file === 'number') {
    throw new Error(`no memfd: ${file}`);
  }
  return () => {
    const taken = timedNow(() => {
      for (let index = 0; index < CHANGES; index++) {
        native().fileFd(file);
      }
    });
    return { 'change/native': taken / CHANGES };
  };
}

function requestOf({ rangeInRegion, writable }: MappingParams): DmaMapRequest {
  return { range: rangeInRegion, region: 'ram', type: 'ram', writable, fileOffset: 0n };
}

/** Calls every target in turn. */
function loop(count: number): Round {
  const targets = Array.from({ length: count }, (_, index): DmaTarget => idleTarget(`target ${index}`));
  return () => {
    const taken = timedNow(() => {
      for (let index = 0; index < CHANGES / 2; index++) {
        const request = requestOf(mapping(index));
        for (const target of targets) {
          void target.mapDma(request);
        }
        for (const target of targets) {
          void target.unmapDma(request.range);
        }
      }
    });
    return { [`change/loop/${count}`]: taken / CHANGES };
  };
}

function emitter(count: number): Round {
  const events = new EventEmitter();
  for (let index = 0; index < count; index++) {
    const target = idleTarget(`target ${index}`);
    events.on('map', (request: DmaMapRequest) => void target.mapDma(request));
    events.on('unmap', (request: DmaMapRequest) => void target.unmapDma(request.range));
  }
  return () => {
    const taken = timedNow(() => {
      for (let index = 0; index < CHANGES / 2; index++) {
        const request = requestOf(mapping(index));
        events.emit('map', request);
        events.emit('unmap', request);
      }
    });
    return { [`change/emitter/${count}`]: taken / CHANGES };
  };
}
