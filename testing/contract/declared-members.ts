import type { DmaTarget } from '../../streams/index.js';
import type { ContractCheck } from './contract-check.js';

/** What each member of `DmaTarget` may be, besides absent. */
const KINDS: readonly (readonly [member: keyof DmaTarget, kind: string])[] = [
  ['needsVa', 'boolean'],
  ['needsFd', 'boolean'],
  ['concurrent', 'boolean'],
  ['slowForLargeMaps', 'boolean'],
  ['beginSet', 'function'],
  ['endSet', 'function'],
  ['checkMaps', 'function'],
  ['mapDmaBatch', 'function'],
  ['unmapDmaBatch', 'function'],
  ['mappedRanges', 'function'],
  ['mappedCount', 'function'],
  ['maxMaps', 'number'],
];

/** What a target says about itself. */
export const DECLARED_MEMBERS: readonly ContractCheck[] = [
  {
    name: 'has the members of a DmaTarget, of the right kinds',
    rule: 'DmaTarget: name is a string; mapDma and unmapDma are methods; the other members are absent or as declared',
    async run(bench) {
      const target = (await bench.makeTarget()).target as Partial<DmaTarget>;
      const wrong = [
        ...(typeof target.name === 'string' && target.name !== '' ? [] : ['name must be a string that is not empty']),
        ...(['mapDma', 'unmapDma'] as const)
          .filter((method) => typeof target[method] !== 'function')
          .map((method) => `${method} must be a method`),
        ...KINDS.filter(([member, kind]) => target[member] !== undefined && typeof target[member] !== kind).map(
          ([member, kind]) => `${member} must be a ${kind === 'function' ? 'method' : kind}, or absent`,
        ),
        ...([undefined, 'superset', 'exact'].includes(target.unmapShape)
          ? []
          : ["unmapShape must be 'superset' or 'exact', or absent"]),
      ];
      if (wrong.length > 0) {
        throw bench.steps.breach(`the target has members of the wrong kind: ${wrong.join('; ')}`);
      }
    },
  },
  {
    name: 'is a new target each time that it is made',
    rule: 'checkTarget: makeTarget returns a new target, which holds nothing, at each call',
    async run(bench) {
      const first = await bench.makeTarget();
      await first.map(bench.mapAt(0));
      await first.empty();
      await bench.close();
      const second = await bench.makeTarget();
      if (second.target === first.target) {
        throw bench.steps.breach(
          'makeTarget must return a new target at each call, but it returned the same one twice',
        );
      }
    },
  },
  {
    name: 'maps memory without a host virtual address, as needsVa is not set',
    rule: 'DmaTarget.needsVa: whether every map request must have a host virtual address',
    applies: ({ target }) => target.needsVa !== true,
    async run(bench) {
      const tested = await bench.makeTarget();
      await tested.map(bench.mapAt(0));
      await tested.holdsMapped();
      await tested.empty();
    },
  },
  {
    name: 'maps memory without a file, as needsFd is not set',
    rule: 'DmaTarget.needsFd: whether every map request must have a mappable; private memory has a host virtual address instead',
    applies: ({ target }) => target.needsFd !== true,
    async run(bench) {
      const tested = await bench.makeTarget();
      await tested.map(bench.mapAt(0, 2, { backing: 'private' }));
      await tested.holdsMapped();
      await tested.empty();
    },
  },
  {
    name: 'changes nothing in checkMaps',
    rule: 'DmaTarget.checkMaps: checks all maps of a change set before the first one is made',
    applies: ({ target }) => target.checkMaps !== undefined,
    async run(bench) {
      const tested = await bench.makeTarget();
      await tested.map(bench.mapAt(0));
      const requests = [bench.mapAt(2), bench.mapAt(4, 2)].map((change) => tested.requestOf(change));
      await tested.call('checkMaps', requests);
      await tested.holds([bench.at(0)]);
      await tested.mapEach([bench.mapAt(2), bench.mapAt(4, 2)]);
      await tested.holdsMapped();
      await tested.empty();
    },
  },
  {
    name: 'does not fail in checkMaps because of device maps',
    rule: 'DmaTarget.checkMaps: must not fail because of maps of type device, which fail in mapDma',
    applies: ({ target }) => target.checkMaps !== undefined,
    async run(bench) {
      const tested = await bench.makeTarget();
      const device = { type: 'device', region: 'device' } as const;
      const changes = [bench.mapAt(0), bench.mapAt(2, 1, device), ...bench.refusedMaps(device)];
      await tested.call(
        'checkMaps',
        changes.map((change) => tested.requestOf(change)),
      );
      await tested.holds([]);
    },
  },
];
