import type { MonoTypeOperatorFunction } from 'rxjs';
import { append } from '../util/lists.js';
import { partsOf, SetStream, sharedSets } from '../branches/branch-stream.js';
import type { ChangeSet, MapChange } from '../contracts/change-set.js';
import { ManagedSet, withAddresses, type Addresses, type AddressOf } from '../changes/managed-set.js';
import { VaRegistry } from '../host-addresses/va-registry.js';
import { DmaError } from '../contracts/errors.js';
import { LONG_STEP, pauseIfOver } from '../util/time-slice.js';
import { isRefused } from '../changes/mapping.js';
import { checkVaMapper } from '../contracts/contract-checks.js';
import type { HostVa } from '../contracts/host-va.js';
import { run, type Coroutine } from '../util/coroutine.js';
import type { VaMapper } from '../contracts/va-mapper.js';
import { mapInOrder } from '../util/map-in-order.js';

/** Most addresses that are made without a look at the clock: each takes some microseconds. */
const ADDRESSES_PER_STEP = 128;

/**
 * Operator that gives every map its host virtual address (`hostVa`), for the targets of the branch that need one.
 *
 * While a manager owns the mapper, the address of each mapping is requested from it once, also when several branches
 * use it. The operator releases nothing: the manager releases an address once every target has acknowledged the unmap
 * of its mapping.
 *
 * Order: each set that comes in is emitted once, in order. A long set yields to the event loop between its maps; later
 * sets wait for it.
 *
 * On failure: a map for which the mapper throws, or returns no address, is emitted with its `refused` error; `toTarget`
 * then fails that map without a call of the target. The other maps of the set have their addresses. The observable does
 * not error because of the mapper.
 *
 * @param va usually the `vaMapper` of the manager; a mapper that another manager owns is refused by `attach`
 * (`ERR_VA_MAPPER_IN_USE`)
 * @throws TypeError when `va` is not a VA mapper
 *
 * @example
 * ```ts
 * import { ensureMapped, RegionManager, toTarget } from 'dma-streams';
 * import { RamBlocks } from 'dma-streams/binding';
 * import { LoggingTarget } from 'dma-streams/targets';
 *
 * using memory = new RamBlocks();
 * await using manager = new RegionManager({ vaMapper: memory });
 * const target = new LoggingTarget();
 * await manager.attach((changes$) => changes$.pipe(ensureMapped(memory), toTarget(target)));
 * ```
 */
export function ensureMapped(va: VaMapper): MonoTypeOperatorFunction<ChangeSet> {
  checkVaMapper(va);
  const vas = VaRegistry.of(va);
  const addressOf: AddressOf = (range) => vas.at(range);
  return (changes$) => {
    const { ports, vas: others, made } = partsOf(changes$);
    return new SetStream(
      { ports, vas: [...others, vas], made },
      sharedSets(changes$).pipe(
        mapInOrder((set) => (set.maps.length === 0 ? set : run(addressed(vas, addressOf, set)))),
      ),
    );
  };
}

function* addressed(vas: VaRegistry, addressOf: AddressOf, set: ChangeSet): Coroutine<ChangeSet> {
  const { maps } = set;
  const known = ManagedSet.detailsOf(set)?.addresses;
  if (maps.length <= ADDRESSES_PER_STEP) {
    return yield* withAddresses(set, addressesOf(vas, maps, known), addressOf);
  }
  const addresses: (HostVa | DmaError)[] = [];
  for (let first = 0; first < maps.length; first += ADDRESSES_PER_STEP) {
    const end = first + ADDRESSES_PER_STEP;
    append(addresses, addressesOf(vas, maps.slice(first, end), known?.slice(first, end)));
    const pause = pauseIfOver(LONG_STEP);
    if (pause !== undefined) {
      yield pause;
    }
  }
  return yield* withAddresses(set, addresses, addressOf);
}

/** The addresses of the maps. None is made for a map that an operator or a mapper has refused; its error stays. */
function addressesOf(vas: VaRegistry, maps: readonly MapChange[], known: Addresses | undefined): Addresses {
  if (known === undefined && !maps.some(isRefused)) {
    return vas.ensureAll(maps);
  }
  const refusals = maps.map(({ refused }, index) => {
    const address = known?.[index];
    return address instanceof DmaError ? address : refused;
  });
  const made = vas.ensureAll(maps.filter((_, index) => refusals[index] === undefined)).values();
  return refusals.map((refusal) => refusal ?? (made.next().value as HostVa | DmaError));
}
