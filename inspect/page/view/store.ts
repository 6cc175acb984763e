import type { Message, Pages, WireMapping, WireRegion } from '../../wire/messages.js';
import { Fold } from '../model/fold.js';
import { Highlights, type Highlight } from '../model/highlights.js';
import type { Moment } from '../model/history.js';
import { boundsOf, Pictures, type Picture } from '../model/picture.js';
import { Replica } from '../model/replica.js';
import { fitted, revealed, Scale, type Window } from '../model/scale.js';
import { search, type Match } from '../model/search.js';
import { visible } from '../model/names.js';
import type { State } from '../model/state.js';
import { range } from '../model/text.js';
import type { Announcer } from './announcer.js';
import { Connection } from './connection.js';

export type Selection =
  | { readonly kind: 'mapping'; readonly pages: Pages; readonly mapping: WireMapping }
  | { readonly kind: 'region'; readonly pages: Pages; readonly region: WireRegion }
  | { readonly kind: 'addresses'; readonly pages: Pages };

export type Tab = 'targets' | 'selection' | 'mappings' | 'regions';

/** What the page knows, what of it is shown, and what the user can do. Everything that is seen is drawn from it. */
export class Store {
  readonly replica = new Replica();
  readonly connection: Connection;
  readonly highlights = new Highlights();
  /** The number of the moment that is shown; `undefined` is the present. */
  back: number | undefined;
  /** The part of the address space that the user has chosen; `undefined` shows everything, also what comes. */
  chosen: Window | undefined;
  folded = true;
  selection: Selection | undefined;
  query = '';
  /** Which of the matches the user is at. */
  match = -1;
  tab: Tab = 'targets';
  /** The first of the targets that have a lane, when there are too many for all of them. */
  targetsFrom = 0;
  onlyFailures = false;
  /** What filters the tables. */
  filter = '';
  /** Where the pointer is, for people: the text below the drawing. */
  readout = '';
  readonly #schedule: () => void;
  readonly #announcer: Announcer;
  readonly #pictures = new Pictures(() => performance.now());
  #wanted = 0;
  #saidDisconnected = false;
  #found:
    | { readonly state: State; readonly query: string; readonly matches: readonly Match[]; readonly at: number }
    | undefined;

  constructor(schedule: () => void, announcer: Announcer) {
    this.#announcer = announcer;
    this.#schedule = schedule;
    this.connection = new Connection(
      '/events',
      (message) => this.#receive(message),
      () => {
        if (this.connection.phase === 'disconnected' && !this.#saidDisconnected) {
          this.#saidDisconnected = true;
          announcer.say(this.replica.ended ? 'The server has ended.' : 'Disconnected.');
        }
        schedule();
      },
    );
  }

  /** The moment that is shown. */
  get moment(): Moment | undefined {
    const { history } = this.replica;
    return history.at(this.back ?? history.last);
  }

  get state(): State {
    return this.moment?.state ?? this.replica.state;
  }

  get picture(): Picture {
    return this.#pictures.of(this.state);
  }

  get fold(): Fold {
    return this.folded ? this.picture.fold : Fold.none;
  }

  get bounds(): Window {
    return boundsOf(this.picture.content, this.#wanted, this.fold);
  }

  get window(): Window {
    return this.chosen ?? fitted(this.picture.content ?? [0, 256], this.fold, this.bounds, 0.015);
  }

  /** The time of the server. */
  get now(): number {
    return Date.now() + this.replica.clockOffset;
  }

  /** Whether something that is shown changes with the time alone. */
  get growsOld(): boolean {
    return (
      this.#pictures.isOld ||
      this.connection.phase !== 'connected' ||
      (this.back === undefined &&
        this.state.targets.some(
          ({ pendingSince, stuckSince }) => pendingSince !== undefined || stuckSince !== undefined,
        ))
    );
  }

  get matches(): readonly Match[] {
    const found = this.#found;
    const now = performance.now();
    // With many mappings a search takes a while: while they change, the result may be half a second old.
    if (found?.query !== this.query || (found.state !== this.state && now - found.at > 500)) {
      this.#found = { state: this.state, query: this.query, matches: search(this.state, this.query), at: now };
    }
    return this.#found?.matches ?? [];
  }

  /** Changes something, and has it drawn. */
  set(
    change: Partial<
      Pick<Store, 'chosen' | 'folded' | 'selection' | 'tab' | 'onlyFailures' | 'filter' | 'readout' | 'targetsFrom'>
    >,
  ): void {
    Object.assign(this, change);
    this.#schedule();
  }

  /** What stands out: at present, what changed a moment ago; back in time, what that moment changed. */
  highlighted(now: number, fades: boolean): readonly Highlight[] {
    return this.back === undefined || this.moment === undefined
      ? this.highlights.at(now, fades)
      : [{ moment: this.moment, strength: 1 }];
  }

  look(query: string): void {
    this.query = query;
    this.match = -1;
    this.#schedule();
  }

  /** Goes to the next match, or to the one before. */
  goToMatch(step: 1 | -1): void {
    const { matches } = this;
    if (matches.length > 0) {
      this.match =
        this.match < 0 && step < 0 ? matches.length - 1 : (this.match + step + matches.length) % matches.length;
      const match = matches[this.match];
      if (match !== undefined) {
        this.select(match);
      }
    }
  }

  /** Selects something, and moves the window so that it is seen. */
  select(selection: Selection, moves: 'show' | 'fit' | 'stay' = 'show'): void {
    this.selection = selection;
    this.tab = 'selection';
    if (moves !== 'stay') {
      this.show(selection.pages, moves);
    }
    this.#schedule();
  }

  /** Zooms by a factor: at the selection, if it is seen. */
  zoom(factor: number): void {
    const scale = new Scale(this.window, this.fold, 1);
    const at = this.selection === undefined ? undefined : scale.middleOf(this.selection.pages);
    this.chosen = scale.zoomed(factor, this.bounds, at);
    this.#schedule();
  }

  show(pages: Pages, how: 'show' | 'fit'): void {
    this.#wanted = Math.max(this.#wanted, pages[1]);
    const { window, fold, bounds } = this;
    const part = (fold.fold(pages[1]) - fold.fold(pages[0])) / (fold.fold(window[1]) - fold.fold(window[0]));
    // What would be too small to see is zoomed in on, with its surroundings.
    this.chosen =
      how === 'fit'
        ? fitted(pages, fold, bounds)
        : part < 0.02
          ? fitted(pages, fold, bounds, 3)
          : revealed(window, pages, fold, bounds);
    this.#schedule();
  }

  /** Selects the mapping after the selection, or before it; without a selection, after the start of the window, or before its end. */
  goToMapping(step: 1 | -1): void {
    const { mappings } = this.state;
    const from = this.selection?.pages[0] ?? (step > 0 ? this.window[0] - 1 : this.window[1]);
    const position = mappings.positionOf(step > 0 ? from + 0.5 : from) + (step > 0 ? 0 : -1);
    const mapping = mappings.at(position);
    if (mapping !== undefined) {
      this.select({ kind: 'mapping', pages: mapping.pages, mapping });
      this.#announcer.tell(`Mapping of ${visible(mapping.region)}, ${range(mapping.pages)}`);
    }
  }

  /** Shows the moment of that number; the last one is the present. */
  goTo(number: number | undefined): void {
    const { history } = this.replica;
    this.back = number === undefined || number >= history.last ? undefined : Math.max(number, history.first);
    this.highlights.clear();
    this.#schedule();
  }

  goStep(step: number): void {
    this.goTo((this.back ?? this.replica.history.last) + step);
  }

  #receive(message: Message): void {
    const { replica } = this;
    const before = replica.history.last;
    const wasWhole = replica.whole;
    replica.receive(message, Date.now());
    const { history } = replica;
    if (message.type === 'ready' && this.#saidDisconnected) {
      this.#saidDisconnected = false;
      this.#announcer.say('Connected again.');
    }
    const latest = history.at(history.last);
    if (wasWhole && history.last > before && latest !== undefined) {
      this.#announcer.changed(latest);
      if (this.back === undefined) {
        this.highlights.add(latest, performance.now());
      }
    }
    if (this.back !== undefined) {
      this.back = Math.max(this.back, history.first);
    }
    if (replica.otherProtocol !== undefined) {
      this.connection.close();
      reloadOnce(replica.otherProtocol);
    }
    this.#schedule();
  }
}

/** Loads the page again, from a server of another version: once, for it may be the same page. */
function reloadOnce(protocol: number): void {
  const key = 'reloaded-for';
  try {
    if (sessionStorage.getItem(key) !== protocol.toString()) {
      sessionStorage.setItem(key, protocol.toString());
      location.reload();
    }
  } catch {
    // Without storage nothing says whether it was loaded again already: the user decides.
  }
}
