import { expect } from 'chai';
import { DmaMapError, DmaUnmapError } from '../../../streams/index.js';
import type { Prepared } from './fault-scene.js';
import { privateMapping, range, rejectionOf } from './phrases.js';

/** One public operation, and the state that it needs. */
export interface Operation {
  /** Prepares the state. No call fails, except failures made here. */
  readonly prepare?: (scene: Prepared) => Promise<void>;
  readonly act: (scene: Prepared) => Promise<unknown>;
  /** Minimum number of calls of the operation, with three targets that need VAs. */
  readonly calls: number;
  /** Whether the operation needs a VA mapper. */
  readonly needsVa?: true;
  /** Whether a failure may leave the repair incomplete. Then nothing is lost, and heal() completes it. */
  readonly mends?: true;
}

/** Makes a mapping stuck at the first target. */
async function stick({ targets: [first], regions: { high } }: Prepared): Promise<void> {
  first?.failAll('unmap 0x20000');
  expect(await rejectionOf(high.removeMappings(range(0x0, 0x1000)))).to.be.instanceOf(DmaUnmapError);
  first?.clearFailures();
}

/** Makes a mapping missing at the first target: the read-only map fails, and so does the restoration in the undo. */
async function lose({ targets: [first], regions: { low } }: Prepared): Promise<void> {
  first?.failAll('map 0x2000', 'EFAULT');
  expect(await rejectionOf(low.map({ writable: false }))).to.be.instanceOf(DmaMapError);
  first?.clearFailures();
}

/** All public operations of a manager, a region and an attachment that call a target or a VA mapper. */
export const OPERATIONS: Readonly<Record<string, Operation>> = {
  'add a region': {
    act: ({ manager }) => manager.addRegion({ name: 'new', range: range(0x60000, 0x70000), type: 'ram' }),
    calls: 0,
  },
  'add RAM': {
    act: ({ manager, file }) =>
      manager.addRam({ name: 'new', range: range(0x60000, 0x70000), backing: file, fileOffset: 0x1000n }),
    calls: 4,
  },
  'add RAM over other memory': {
    act: ({ manager, file }) =>
      manager.addRam({
        name: 'new',
        range: range(0x20000, 0x30000),
        priority: 1,
        backing: { mappable: file, fileOffset: 0n },
      }),
    calls: 9,
  },
  'add private RAM': {
    act: ({ manager }) => manager.addRam({ name: 'new', range: range(0x60000, 0x70000), backing: 'private' }),
    calls: 4,
    needsVa: true,
  },
  'add a mapping': {
    act: (scene) => scene.regions.low.addMapping(scene.mapping(0x8000, 0xa000)),
    calls: 4,
  },
  'add private memory': {
    act: ({ regions }) => regions.low.addMapping(privateMapping(0xc000, 0xe000)),
    calls: 4,
    needsVa: true,
  },
  'remove mappings': { act: ({ regions }) => regions.low.removeMappings(range(0x0, 0x3000)), calls: 5 },
  'remove private memory': {
    prepare: ({ regions }) => regions.low.addMapping(privateMapping(0xc000, 0xe000)),
    act: ({ regions }) => regions.low.removeMappings(range(0xc000, 0xe000)),
    calls: 4,
    needsVa: true,
  },
  'remove a region': { act: ({ regions }) => regions.low.remove(), calls: 6 },
  map: { act: ({ regions }) => regions.cover.map({ writable: true }), calls: 12 },
  'map read-only': { act: ({ regions }) => regions.low.map({ writable: false }), calls: 10 },
  unmap: { act: ({ regions }) => regions.high.unmap(), calls: 10 },
  'remove device memory': { act: ({ regions }) => regions.bar.unmap(), calls: 4 },
  attach: {
    act: async (scene) => {
      scene.attachments.push(await scene.manager.attach(scene.late));
    },
    calls: 6,
  },
  detach: { act: ({ attachments }) => attachments[0]?.detach() ?? Promise.resolve(), calls: 3 },
  'transaction of ten mixed changes': {
    act: (scene) =>
      scene.manager.transaction((edit) => {
        const { low, high, shade, bar } = scene.regions;
        edit.removeMappings(low, range(0x2000, 0x3000));
        edit.addMapping(low, scene.mapping(0x2000, 0x3000, { fileOffset: 0x77000n }));
        edit.addMapping(low, scene.mapping(0x8000, 0xa000));
        edit.removeMappings(low, range(0x0, 0x1000));
        edit.removeRegion(high);
        edit.map(shade, { writable: false });
        edit.addMapping(bar, scene.mapping(0x4000, 0x5000));
        const fresh = edit.addRegion({ name: 'fresh', range: range(0x60000, 0x70000), type: 'ram' });
        edit.addMapping(fresh, scene.mapping(0x0, 0x3000));
        edit.map(fresh, { writable: true });
      }),
    calls: 30,
  },
  retryStuck: {
    prepare: stick,
    act: ({ attachments }) => attachments[0]?.retryStuck() ?? Promise.resolve(),
    calls: 1,
    mends: true,
  },
  heal: {
    prepare: async (scene) => {
      await lose(scene);
      await stick(scene);
    },
    act: ({ attachments }) => attachments[0]?.heal() ?? Promise.resolve(),
    calls: 2,
    mends: true,
  },
  close: { act: ({ manager }) => manager.close(), calls: 12 },
};
