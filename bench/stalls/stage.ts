import type { Attachment } from '../../streams/index.js';
import { filledManager, type Meter, type Scene } from './scene.js';
import { StallTarget } from './target.js';

export type Work = () => Promise<unknown>;

/** One scene with a manager of one region, and one target attached to it. */
export function scene(
  name: string,
  options: ConstructorParameters<typeof StallTarget>[1],
  play: (stage: Stage) => Work | Promise<Work>,
  filled: Parameters<typeof filledManager>[2] = {},
): Scene {
  const { batch, needsVa } = options ?? {};
  return {
    name,
    inBatches: batch === true || needsVa === true || name === 'attach with progress',
    async setUp(count, meter) {
      const { manager, region } = await filledManager(count, meter, filled);
      const target = new StallTarget(meter, options);
      const attachment = await manager.attach(target);
      return play({ count, meter, manager, region, target, attachment });
    },
  };
}

export interface Stage extends Awaited<ReturnType<typeof filledManager>> {
  readonly count: number;
  readonly meter: Meter;
  readonly target: StallTarget;
  readonly attachment: Attachment;
}

export const BATCH = { batch: true };
export const SHARED: ConstructorParameters<typeof StallTarget>[1] = { unmapShape: 'superset' };
export const HIDDEN = { hidden: true };
