import type { ContractCheck } from './contract-check.js';

/** Maps and unmaps, one call at a time. */
export const SINGLE_CALLS: readonly ContractCheck[] = [
  {
    name: 'maps one range after another, also ranges that touch',
    rule: 'DmaTarget.mapDma: maps the range',
    async run(bench) {
      const tested = await bench.makeTarget();
      for (const change of [bench.mapAt(0), bench.mapAt(1), bench.mapAt(2, 3), bench.mapAt(8)]) {
        await tested.map(change);
        await tested.holdsMapped();
      }
      await tested.empty();
    },
  },
  {
    name: 'maps read-only memory and writable memory',
    rule: 'DmaMapRequest.writable: whether a device may write; a map that is not writable is a map like any other',
    async run(bench) {
      const tested = await bench.makeTarget();
      await tested.mapEach([bench.mapAt(0, 2, { writable: false }), bench.mapAt(2, 2)]);
      await tested.holdsMapped();
      await tested.unmap(bench.at(0, 2));
      await tested.map(bench.mapAt(0, 2));
      await tested.holdsMapped();
      await tested.empty();
    },
  },
  {
    name: 'maps device memory, or refuses it and holds nothing of it',
    rule: 'DmaTarget.mapDma: on failure, no part of the range is mapped; a map of type device may fail',
    async run(bench) {
      const tested = await bench.makeTarget();
      const device = bench.mapAt(2, 2, { type: 'device', region: 'device' });
      await tested.map(bench.mapAt(0));
      const isMapped = await tested.attempt('mapDma', tested.requestOf(device), () => true).catch(() => false);
      if (isMapped) {
        tested.remember([device.range]);
      } else {
        tested.forget(device.range);
      }
      await tested.holds(tested.mapped, `after the device map ${isMapped ? 'succeeded' : 'failed'}`);
      await tested.empty();
    },
  },
  {
    name: 'unmaps exactly one map, and keeps those that touch it',
    rule: 'DmaTarget.unmapDma: removes every map inside the range',
    async run(bench) {
      const tested = await bench.makeTarget();
      await tested.mapEach([bench.mapAt(0), bench.mapAt(1, 2), bench.mapAt(3), bench.mapAt(5)]);
      for (const range of [bench.at(1, 2), bench.at(5), bench.at(0), bench.at(3)]) {
        await tested.unmap(range);
        await tested.holdsMapped();
      }
    },
  },
  {
    name: 'unmaps several maps and the gaps between them by one call',
    rule: "DmaTarget.unmapShape 'superset': one unmap call may cover several maps and the gaps between them",
    applies: ({ isExact }) => !isExact,
    async run(bench) {
      const tested = await bench.makeTarget();
      await tested.mapEach([bench.mapAt(2), bench.mapAt(4, 2), bench.mapAt(6), bench.mapAt(9)]);
      await tested.unmap(bench.at(1, 11));
      await tested.holdsMapped();
      await tested.mapEach([bench.mapAt(1), bench.mapAt(9, 3)]);
      await tested.unmap(bench.at(1, 11));
      await tested.holdsMapped();
    },
  },
  {
    name: 'keeps the maps that touch the range of an unmap of several',
    rule: 'DmaTarget.unmapDma: removes every map inside the range, and no other',
    applies: ({ isExact }) => !isExact,
    async run(bench) {
      const tested = await bench.makeTarget();
      await tested.mapEach([bench.mapAt(0), bench.mapAt(1), bench.mapAt(3, 2), bench.mapAt(5, 2), bench.mapAt(9)]);
      await tested.unmap(bench.at(1, 4));
      await tested.holdsMapped();
      await tested.empty();
    },
  },
  {
    name: 'does not fail when it unmaps a range without maps',
    rule: "DmaTarget, abort of an attach, and unmapShape 'superset': an unmap of a range without maps must not fail",
    applies: ({ isExact }) => !isExact,
    async run(bench) {
      const tested = await bench.makeTarget();
      await tested.unmap(bench.at(2, 2));
      await tested.mapEach([bench.mapAt(0), bench.mapAt(4)]);
      await tested.unmap(bench.at(1, 3));
      await tested.holdsMapped();
      await tested.empty();
    },
  },
  {
    name: 'maps in descending order of addresses',
    rule: 'ChangeSet.maps: an inverse set has its maps in the opposite order',
    async run(bench) {
      const tested = await bench.makeTarget();
      await tested.mapEach([bench.mapAt(10), bench.mapAt(6, 2), bench.mapAt(5), bench.mapAt(0, 2)]);
      await tested.holdsMapped();
      await tested.empty();
      await tested.holdsMapped();
    },
  },
  {
    name: 'maps a range again right after its unmap, with another length and file offset',
    rule: 'DmaTarget.mapDma: maps the range; what was mapped there before has no effect',
    async run(bench) {
      const tested = await bench.makeTarget();
      await tested.map(bench.mapAt(0, 4));
      await tested.unmap(bench.at(0, 4));
      await tested.mapEach([
        bench.mapAt(0, 1, { backing: bench.fileAt(bench.at(8).start - bench.at(0).start) }),
        bench.mapAt(1, 5, { writable: false, backing: bench.fileAt(0n) }),
      ]);
      await tested.holdsMapped();
      await tested.unmap(bench.at(0));
      await tested.unmap(bench.at(1, 5));
      await tested.map(bench.mapAt(0, 8));
      await tested.holdsMapped();
      await tested.empty();
    },
  },
  {
    name: 'holds nothing of a map that failed',
    rule: 'DmaTarget.mapDma: on failure, no part of the range is mapped',
    applies: ({ hasRefused }) => hasRefused,
    async run(bench) {
      const tested = await bench.makeTarget();
      await tested.map(bench.mapAt(0));
      for (const refused of [...bench.refusedMaps(), ...bench.refusedMaps()]) {
        const isMapped = await tested.attempt('mapDma', tested.requestOf(refused), () => true).catch(() => false);
        if (isMapped) {
          throw bench.steps.breach(`the target must refuse ${refused.range}, the option refused, but it maps it`);
        }
        tested.forget(refused.range);
        await tested.holds([bench.at(0)], 'after a failed map');
      }
      await tested.map(bench.mapAt(2));
      await tested.holdsMapped();
      await tested.empty();
    },
  },
];
