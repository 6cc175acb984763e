import type { DmaTarget } from '../../streams/index.js';
import { filled } from '../support/filled.js';
import { mapping } from '../support/scattered.js';
import { enteredFiles, type EnteredFile } from './entered.js';

export const COMMANDS = ['add', 'remove'] as const;
export type CommandName = (typeof COMMANDS)[number];

/** The largest number of mappings in a set. */
export const LARGEST_SET = 1000;

/** Mappings of the region before the first one of the set. */
const OTHERS = 100;

/**
 * The files of `streams/` with a function that is entered between the call of a command and the settling of its promise: `addMapping` or
 * `removeMappings` of a region that has other mappings, with one target attached. Several mappings make one transaction. The manager has
 * added and removed the same mappings before. Stops the clock of the process.
 */
export async function walk(command: CommandName, set: number, target: DmaTarget): Promise<readonly EnteredFile[]> {
  // The breakpoints make everything slow: with a clock that stands still, long work does not pause, and each run is the same.
  const now = performance.now();
  performance.now = () => now;
  const { manager, region } = await filled(2 * (OTHERS + set));
  await manager.attach(target);
  const first = mapping(OTHERS);
  // Every second one: each is between two others, and nothing can be merged.
  const mappings = Array.from({ length: set }, (_, index) => mapping(OTHERS + 2 * index));
  const run: Readonly<Record<CommandName, () => Promise<unknown>>> = {
    add: () =>
      set === 1
        ? region.addMapping(first)
        : manager.transaction((edit) => {
            for (const params of mappings) {
              edit.addMapping(region, params);
            }
          }),
    remove: () =>
      set === 1
        ? region.removeMappings(first.rangeInRegion)
        : manager.transaction((edit) => {
            for (const { rangeInRegion } of mappings) {
              edit.removeMappings(region, rangeInRegion);
            }
          }),
  };
  // `filled` has added them already.
  await run.remove();
  await run.add();
  if (command === 'add') {
    await run.remove();
  }
  return enteredFiles('streams', run[command]);
}
