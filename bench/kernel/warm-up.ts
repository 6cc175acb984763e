import type { Memfd } from '../../binding/index.js';
import { idleTarget } from '../support/idle-target.js';
import { BenchMachine } from './machine.js';

const PAGE = 4096;
const SET = 64;

/**
 * Makes changes at a no-op target until the pipeline's code is compiled. That takes seconds on an emulated processor, and would otherwise be
 * included in the first measurement.
 */
export async function warmUp(memfd: Memfd, rounds: number): Promise<void> {
  await using machine = await BenchMachine.create(memfd);
  await machine.manager.attach(idleTarget('idle', { needsVa: true }));
  for (let round = 0; round < rounds; round++) {
    for (let index = 0; index < SET; index++) {
      const params = machine.mapping(index, PAGE);
      await machine.region.addMapping(params);
      await machine.region.removeMappings(params.rangeInRegion);
    }
    await machine.add(0, SET, PAGE);
    await machine.remove(0, SET, PAGE);
  }
}
