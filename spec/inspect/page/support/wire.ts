import fc from 'fast-check';
import type {
  ChangesMessage,
  ExceptionKind,
  WireMapping,
  WireRegion,
  WireTarget,
} from '../../../../inspect/wire/messages.js';

export function region(key: number, start: number, end: number, more: Partial<WireRegion> = {}): WireRegion {
  return {
    key,
    name: `region ${key.toString()}`,
    pages: [start, end],
    priority: 0,
    type: 'ram',
    access: 'writable',
    holes: 'opaque',
    ...more,
  };
}

export function mapping(start: number, end: number, name = 'ram', more: Partial<WireMapping> = {}): WireMapping {
  return { pages: [start, end], region: name, type: 'ram', writable: true, ...more };
}

export function target(key: number, more: Partial<WireTarget> = {}): WireTarget {
  return {
    key,
    name: `target ${key.toString()}`,
    phase: 'attached',
    held: 0,
    heldPages: 0,
    stuck: 0,
    missing: 0,
    ...more,
  };
}

export function changes(more: Partial<ChangesMessage> = {}): ChangesMessage {
  return { type: 'changes', at: 1000, generation: 1, ...more };
}

const KINDS: readonly ExceptionKind[] = ['stuck', 'missing', 'absent', 'extra'];

/** A place of the address space with room for one range: ranges of different places are disjoint. */
const place = fc.nat(40);
const ROOM = 16;

const rangeAt = fc
  .tuple(place, fc.integer({ min: 1, max: ROOM }))
  .map(([at, length]) => [at * ROOM, at * ROOM + length] as const);

const unique = <T>(arbitrary: fc.Arbitrary<T>, key: (value: T) => string | number): fc.Arbitrary<T[]> =>
  fc.uniqueArray(arbitrary, { selector: key, maxLength: 12 });

/** Any message with changes: additions, replacements, and keys that have gone, known or not. */
export const anyChanges: fc.Arbitrary<ChangesMessage> = fc.record({
  type: fc.constant('changes' as const),
  at: fc.nat(),
  generation: fc.nat(),
  regions: unique(
    fc
      .tuple(fc.nat(20), fc.nat(500), fc.integer({ min: 1, max: 200 }), fc.integer({ min: -2, max: 2 }), fc.boolean())
      .map(([key, start, length, priority, mapped]) =>
        region(key, start, start + length, { priority, access: mapped ? 'writable' : 'unmapped' }),
      ),
    ({ key }) => key,
  ),
  regionsGone: fc.array(fc.nat(20), { maxLength: 4 }),
  mappings: unique(
    rangeAt.map(([start, end]) => mapping(start, end)),
    ({ pages }) => pages[0],
  ),
  mappingsGone: fc.array(
    place.map((at) => at * ROOM),
    { maxLength: 12 },
  ),
  targets: unique(
    fc.tuple(fc.nat(5), fc.nat(9)).map(([key, stuck]) => target(key, { stuck })),
    ({ key }) => key,
  ),
  targetsGone: fc.array(fc.nat(5), { maxLength: 2 }),
  exceptions: unique(
    fc.record({
      target: fc.nat(5),
      added: unique(
        fc.tuple(fc.constantFrom(...KINDS), rangeAt).map(([kind, pages]) => ({ kind, pages })),
        ({ kind, pages }) => `${kind} ${pages[0].toString()}`,
      ),
      gone: fc.array(
        fc.tuple(
          fc.constantFrom(...KINDS),
          place.map((at) => at * ROOM),
        ),
        { maxLength: 6 },
      ),
    }),
    ({ target: key }) => key,
  ),
});
