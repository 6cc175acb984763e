// The messages from the server to the page, each one a server-sent event with JSON in it. Both sides import these types.
//
// The page keeps a copy of the state. `start` empties it; `changes` adds to it, replaces and takes away. After `ready` it is whole. Each element
// of a list in `changes` is complete and replaces the one with the same key; a key in a list of what has gone may be unknown to the page.
//
// Texts are cut, with "…" at the end: names and codes after 200 characters, messages and hints after 2,000. They may contain any characters.

/** A range of guest physical addresses, in pages of 4 KiB: the first one, and the one after the last. Exact: at most 2^52. */
export type Pages = readonly [start: number, end: number];

export type Message = StartMessage | ChangesMessage | ReadyMessage | EndMessage;

/** The first message of a stream. What the page knew before is forgotten, but for its history. */
export interface StartMessage {
  readonly type: 'start';
  /** Version of these messages: 1. A page that expects another one loads itself again. */
  readonly protocol: number;
  /** Different for each call of `serveInspector`. */
  readonly server: string;
  /** What is looked at, for people. May contain any characters. */
  readonly description: string;
  /** Time of the server, in milliseconds since 1970. All times of messages are of the server's clock. */
  readonly at: number;
}

/** All that was there at the time of `start` has been sent. */
export interface ReadyMessage {
  readonly type: 'ready';
}

/** The manager or the server is being closed: there is nothing to connect to again soon. */
export interface EndMessage {
  readonly type: 'end';
}

export interface ChangesMessage {
  readonly type: 'changes';
  readonly at: number;
  readonly generation: number;
  readonly regions?: readonly WireRegion[];
  /** Keys of regions. */
  readonly regionsGone?: readonly number[];
  readonly mappings?: readonly WireMapping[];
  /** First pages of mappings. They are taken away before `mappings` are added. */
  readonly mappingsGone?: readonly number[];
  /** Columns are in the order in which targets appear here first: at the start that is attach order, then those that are leaving. */
  readonly targets?: readonly WireTarget[];
  readonly targetsGone?: readonly number[];
  readonly exceptions?: readonly WireExceptions[];
  readonly status?: WireStatus;
  /** By ascending key. A new page gets the latest ones before `ready`; one that connects again may have them already. */
  readonly log?: readonly LogEntry[];
}

/** A region, also one that is not mapped or that others cover. */
export interface WireRegion {
  /** Ascending in the order in which the regions were added. */
  readonly key: number;
  readonly name: string;
  readonly pages: Pages;
  readonly priority: number;
  readonly type: 'ram' | 'device';
  readonly access: 'unmapped' | 'read-only' | 'writable';
  /** See `RegionParams.holes`. */
  readonly holes: 'opaque' | 'transparent';
}

/** An active mapping. They are disjoint: the first page is the key. */
export interface WireMapping {
  readonly pages: Pages;
  /** Name of the region. */
  readonly region: string;
  readonly type: 'ram' | 'device';
  readonly writable: boolean;
}

/** A target that follows, or that has not let go of everything. */
export interface WireTarget {
  readonly key: number;
  readonly name: string;
  readonly phase: 'attached' | 'leaving' | 'gone';
  /** Mappings. */
  readonly held: number;
  /** Size of what is held, in pages. */
  readonly heldPages: number;
  readonly stuck: number;
  readonly missing: number;
  /** Since when an answer is awaited. */
  readonly pendingSince?: number;
  /** Since when something is stuck. */
  readonly stuckSince?: number;
}

/**
 * Where what a target holds is not just the active mappings. Of each kind ranges are disjoint.
 *
 * - `stuck`: its unmap failed; the target still has it. Of the kind of a mapping, active or not.
 * - `missing`: it should be held, and mapping it again failed. When it is active, it is in an `absent` range, too.
 * - `absent`: it is active and not held, as when an operator has filtered it, or its map was skipped. One range may stand for consecutive mappings,
 *   with the gaps between them.
 * - `extra`: it is held and not active, without being stuck: the set is not finished.
 */
export type ExceptionKind = 'stuck' | 'missing' | 'absent' | 'extra';

export interface WireExceptions {
  /** Key of the target. */
  readonly target: number;
  readonly added?: readonly WireException[];
  /** Kind and first page. They are taken away before the others are added. */
  readonly gone?: readonly (readonly [kind: ExceptionKind, start: number])[];
}

export interface WireException {
  readonly kind: ExceptionKind;
  readonly pages: Pages;
  readonly region?: string;
}

/** How the source of the memory map is doing. */
export interface WireStatus {
  readonly phase: 'following' | 'waiting' | 'ended' | 'failed';
  readonly error?: WireError;
}

export interface WireError {
  /** `'ENOSPC'`, `'ERR_TARGET_GONE'`. */
  readonly code?: string;
  readonly message: string;
  /** What to do. */
  readonly hint?: string;
}

export type LogEntry = SetEntry | NoteEntry;

/** One change set, or many that came so fast that they are shown together. */
export interface SetEntry {
  readonly kind: 'set';
  readonly key: number;
  readonly at: number;
  /** Of the last of them. */
  readonly generation: number;
  /**
   * Number of change sets: more than 1 if they are shown together, because they came too fast. What came and went between is not in the lists
   * then. Those of them that failed are told of alone, and earlier.
   */
  readonly sets: number;
  /** `undone`: a map failed, and the targets were brought back. `applied` also when an unmap failed: see `answers`. */
  readonly status: 'applied' | 'undone';
  /** The first ones of a long list, at most 100: `mapCount` is the number of all. */
  readonly maps: readonly WireChange[];
  readonly mapCount: number;
  readonly unmaps: readonly WireChange[];
  readonly unmapCount: number;
  /** Size of what was mapped, and of what was unmapped, in pages. Absent when the set was too long to sum it up. */
  readonly mapPages?: number;
  readonly unmapPages?: number;
  /**
   * What the targets answered, in the order in which they did. Empty for sets shown together: those of them that failed have entries of their own.
   */
  readonly answers: readonly WireAnswer[];
}

export interface WireChange {
  readonly pages: Pages;
  readonly region: string;
}

export interface WireAnswer {
  /** Key of the target: see `WireTarget.key`. */
  readonly key: number;
  /** Its name. */
  readonly target: string;
  readonly status: 'applied' | 'failed';
  readonly milliseconds?: number;
  /** Number of maps that were skipped, and the first error. */
  readonly skipped?: number;
  readonly error?: WireError;
  /** The map whose failure made the set fail. */
  readonly failedAt?: WireChange;
}

/** A warning, an error of the source, a target that came or went. */
export interface NoteEntry {
  readonly kind: 'note';
  readonly key: number;
  readonly at: number;
  readonly severity: 'info' | 'warning' | 'error';
  readonly error: WireError;
}
