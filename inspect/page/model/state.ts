import type {
  ChangesMessage,
  ExceptionKind,
  WireException,
  WireExceptions,
  WireMapping,
  WireRegion,
  WireStatus,
  WireTarget,
} from '../../wire/messages.js';
import { SortedList } from './sorted-list.js';

/** What a target holds differently, of each kind by address. */
export type Exceptions = Readonly<Record<ExceptionKind, SortedList<WireException>>>;

/** The memory map and the targets at one time. Immutable; what does not change is shared between states. */
export interface State {
  /** Time of the server. 0: nothing has come yet. */
  readonly at: number;
  readonly generation: number;
  /** By key: in the order in which they were added. */
  readonly regions: SortedList<WireRegion>;
  /** By address. */
  readonly mappings: SortedList<WireMapping>;
  /** Size of all mappings, in pages. */
  readonly mappedPages: number;
  /** In attach order. */
  readonly targets: readonly WireTarget[];
  /** By key of the target. */
  readonly exceptions: ReadonlyMap<number, Exceptions>;
  readonly status: WireStatus;
}

export const firstPage = ({ pages }: { readonly pages: readonly [number, number] }): number => pages[0];

export const sizeOf = ({ pages: [start, end] }: { readonly pages: readonly [number, number] }): number => end - start;

export const NO_STATE: State = {
  at: 0,
  generation: 0,
  regions: SortedList.empty<WireRegion>(({ key }) => key),
  mappings: SortedList.empty<WireMapping>(firstPage),
  mappedPages: 0,
  targets: [],
  exceptions: new Map(),
  status: { phase: 'following' },
};

const none = SortedList.empty<WireException>(firstPage);

export const NO_EXCEPTIONS: Exceptions = { stuck: none, missing: none, absent: none, extra: none };

/** The state after a message. The one before stays as it is. */
export function applyChanges(state: State, message: ChangesMessage): State {
  const { regions = [], regionsGone = [], mappings = [], mappingsGone = [] } = message;
  return {
    at: message.at,
    generation: message.generation,
    regions: state.regions.with(regions, regionsGone),
    mappings: state.mappings.with(mappings, mappingsGone),
    mappedPages: state.mappedPages + grownBy(state.mappings, mappings, mappingsGone),
    targets: changedTargets(state.targets, message.targets ?? [], message.targetsGone ?? []),
    exceptions: changedExceptions(state.exceptions, message.exceptions ?? [], message.targetsGone ?? []),
    status: message.status ?? state.status,
  };
}

function grownBy(before: SortedList<WireMapping>, added: readonly WireMapping[], gone: readonly number[]): number {
  // A key may be in both lists, or twice in one: each place counts once.
  const after = new Map<number, number>();
  for (const start of gone) {
    after.set(start, 0);
  }
  for (const mapping of added) {
    after.set(firstPage(mapping), sizeOf(mapping));
  }
  let growth = 0;
  for (const [start, size] of after) {
    const old = before.get(start);
    growth += size - (old === undefined ? 0 : sizeOf(old));
  }
  return growth;
}

function changedTargets(
  targets: readonly WireTarget[],
  changed: readonly WireTarget[],
  gone: readonly number[],
): readonly WireTarget[] {
  if (changed.length === 0 && gone.length === 0) {
    return targets;
  }
  const byKey = new Map(targets.map((target) => [target.key, target]));
  for (const key of gone) {
    byKey.delete(key);
  }
  for (const target of changed) {
    byKey.set(target.key, target);
  }
  return [...byKey.values()];
}

function changedExceptions(
  exceptions: ReadonlyMap<number, Exceptions>,
  changed: readonly WireExceptions[],
  gone: readonly number[],
): ReadonlyMap<number, Exceptions> {
  if (changed.length === 0 && gone.length === 0) {
    return exceptions;
  }
  const result = new Map(exceptions);
  for (const key of gone) {
    result.delete(key);
  }
  for (const { target, added = [], gone: ended = [] } of changed) {
    const before = result.get(target) ?? NO_EXCEPTIONS;
    const of = (kind: ExceptionKind): SortedList<WireException> =>
      before[kind].with(
        added.filter((exception) => exception.kind === kind),
        ended.filter(([endedKind]) => endedKind === kind).map(([, start]) => start),
      );
    result.set(target, { stuck: of('stuck'), missing: of('missing'), absent: of('absent'), extra: of('extra') });
  }
  return result;
}
