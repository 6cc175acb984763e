import type { Pages, WireMapping, WireRegion } from '../../wire/messages.js';
import { parseAddresses } from './address.js';
import { NO_NAME } from './names.js';
import type { State } from './state.js';

export type Match =
  | { readonly kind: 'addresses'; readonly pages: Pages }
  | { readonly kind: 'region'; readonly pages: Pages; readonly region: WireRegion }
  | { readonly kind: 'mapping'; readonly pages: Pages; readonly mapping: WireMapping };

/** Matches that are found, at most. */
export const MATCH_LIMIT = 10_000;

/** Whether a range or name is what somebody looks for. */
export interface Query {
  /** The addresses, if the text is some. */
  readonly addresses: Pages | undefined;
  matches(pages: Pages, name: string): boolean;
}

/** What is looked for: addresses, or a part of a name, in which upper and lower case are the same. `undefined` for nothing. */
export function parseQuery(text: string): Query | undefined {
  const wanted = text.trim().toLowerCase();
  if (wanted === '') {
    return undefined;
  }
  const addresses = parseAddresses(wanted);
  return {
    addresses,
    matches: ([start, end], name) =>
      (addresses !== undefined && start < addresses[1] && addresses[0] < end) ||
      (name === '' ? NO_NAME : name.toLowerCase()).includes(wanted),
  };
}

/** Finds the addresses themselves, then regions, then active mappings, each in ascending order of their addresses. */
export function search({ regions, mappings }: State, text: string): readonly Match[] {
  const query = parseQuery(text);
  if (query === undefined) {
    return [];
  }
  const { addresses } = query;
  const found: Match[] = addresses === undefined ? [] : [{ kind: 'addresses', pages: addresses }];
  const inRegions = regions
    .toArray()
    .filter(({ pages, name }) => query.matches(pages, name))
    .sort((a, b) => a.pages[0] - b.pages[0]);
  found.push(
    ...inRegions.slice(0, MATCH_LIMIT).map((region) => ({ kind: 'region', pages: region.pages, region }) as const),
  );
  mappings.walk(0, (mapping) => {
    if (query.matches(mapping.pages, mapping.region)) {
      found.push({ kind: 'mapping', pages: mapping.pages, mapping });
    }
    return found.length >= MATCH_LIMIT ? Infinity : undefined;
  });
  return found.slice(0, MATCH_LIMIT);
}
