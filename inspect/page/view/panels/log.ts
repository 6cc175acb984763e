import { html, nothing, type TemplateResult } from 'lit/html.js';
import { repeat } from 'lit/directives/repeat.js';
import type { NoteEntry, SetEntry, WireAnswer, WireChange } from '../../../wire/messages.js';
import { isFailure, type Logged } from '../../model/log.js';
import { count, counted, elapsed, size, time } from '../../model/text.js';
import { visible } from '../../model/names.js';
import { addresses, errorText, name, rangeButton } from '../parts.js';
import type { Store } from '../store.js';

const STEP = 100;
/** Changes of a set that are listed, at most. */
const LISTED = 40;
/** Regions that are named in the line of a set, at most. */
const NAMED = 2;

/** The log of change sets, latest first: as many entries as the user has asked for. */
export class LogPanel {
  readonly #store: Store;
  readonly #schedule: () => void;
  /** Entries whose details are shown. */
  readonly #open = new Set<number>();
  #limit = STEP;
  /** The number of entries at the time when the user scrolled down: what is read then stays where it is. `undefined` at the top. */
  #until: number | undefined;

  constructor(store: Store, schedule: () => void) {
    this.#store = store;
    this.#schedule = schedule;
  }

  render(): TemplateResult {
    const { onlyFailures, moment, replica } = this.#store;
    const { log } = replica;
    const all = moment?.logged ?? log.count;
    const until = Math.min(all, this.#until ?? all);
    const entries = log.latest(until, this.#limit + 1, (entry) => !onlyFailures || isFailure(entry));
    const hasMore = entries.length > this.#limit;
    return html`<section id="log" aria-labelledby="log-title">
      <div class="bar">
        <h2 id="log-title">Log</h2>
        ${
          all > until
            ? html`<button id="log-newer" @click=${() => this.#showLatest()}>
                ↑ ${entryCount(all - until)} newer
              </button>`
            : html`<span class="dim">${entryCount(all)}, latest first</span>`
        }
        <label class="check">
          <input
            type="checkbox"
            id="only-failures"
            .checked=${onlyFailures}
            @change=${(event: Event) => this.#store.set({ onlyFailures: (event.target as HTMLInputElement).checked })}
          />
          Only failures
        </label>
      </div>
      <ol
        class="scroll"
        tabindex="0"
        aria-labelledby="log-title"
        @scroll=${(event: Event) => this.#scroll((event.target as HTMLElement).scrollTop, all)}
      >
        ${entries.length === 0 ? html`<li class="empty">${onlyFailures ? 'No failure.' : this.#store.state.generation > 0 ? 'Nothing since this page was opened.' : 'Nothing has happened yet.'}</li>` : nothing}
        ${repeat(
          entries.slice(0, this.#limit),
          ({ sequence }) => sequence,
          (logged) => this.#entry(logged),
        )}
        ${hasMore ? html`<li class="empty"><button id="log-more" @click=${() => this.#showMore()}>Show ${STEP} older entries</button></li>` : nothing}
        ${!hasMore && log.dropped > 0 ? html`<li class="empty">${count(log.dropped)} older entries were dropped.</li>` : nothing}
      </ol>
    </section>`;
  }

  #scroll(top: number, count: number): void {
    const before = this.#until;
    this.#until = top > 0 ? (before ?? count) : undefined;
    if (this.#until !== before) {
      this.#schedule();
    }
  }

  #showLatest(): void {
    this.#until = undefined;
    document.querySelector('#log .scroll')?.scrollTo({ top: 0 });
    this.#schedule();
  }

  #showMore(): void {
    this.#limit += STEP;
    this.#schedule();
  }

  #toggle(sequence: number): void {
    if (!this.#open.delete(sequence)) {
      this.#open.add(sequence);
    }
    this.#schedule();
  }

  #entry({ sequence, entry }: Logged): TemplateResult {
    return entry.kind === 'note' ? note(entry) : this.#set(sequence, entry);
  }

  #set(sequence: number, entry: SetEntry): TemplateResult {
    const failed = isFailure(entry);
    const open = this.#open.has(sequence);
    const status = entry.status === 'undone' ? 'undone' : failed ? 'failed' : 'applied';
    return html`<li data-entry="set" data-status=${status} data-generation=${entry.generation}>
      <button class="head" aria-expanded=${open} @click=${() => this.#toggle(sequence)}>
        <span class="symbol" aria-hidden="true">${SYMBOLS[status]}</span>
        ${generation(entry)}
        <time>${time(entry.at)}</time>
        <span class="amounts"
          ><span class=${status === 'applied' ? 'hidden' : 'status'}>${STATUS[status]}</span>
          ${amount('+', 'map', entry.mapCount, entry.mapPages, entry.maps)}
          ${amount('−', 'unmap', entry.unmapCount, entry.unmapPages, entry.unmaps)}
          ${entry.sets > 1 ? html`<span class="together">${count(entry.sets)} change sets, shown together</span>` : nothing}</span
        >
      </button>
      ${entry.answers.filter((answer) => answer.status === 'failed' || (answer.skipped ?? 0) > 0).map((answer) => this.#answer(answer))}
      ${open ? this.#details(sequence, entry) : nothing}
    </li>`;
  }

  #details(sequence: number, entry: SetEntry): TemplateResult {
    const well = entry.answers.filter((answer) => answer.status === 'applied' && (answer.skipped ?? 0) === 0);
    return html`<div class="opened">
      ${this.#changes('−', entry.unmaps, entry.unmapCount)} ${this.#changes('+', entry.maps, entry.mapCount)}
      ${well.map((answer) => this.#answer(answer))}
      <button class="link" @click=${() => this.#store.goTo(this.#store.replica.history.numberOfEntry(sequence))}>
        Show the state after it
      </button>
    </div>`;
  }

  #changes(sign: string, changes: readonly WireChange[], all: number): TemplateResult {
    return html`<ul class="plain">
      ${changes.slice(0, LISTED).map(
        ({ pages, region }) =>
          html`<li>
            <span class="sign">${sign}</span> ${rangeButton(this.#store, addresses(pages))} ${name(region)}
            <small>${size(pages[1] - pages[0])}</small>
          </li>`,
      )}
      ${all > Math.min(LISTED, changes.length) ? html`<li>${sign} and ${count(all - Math.min(LISTED, changes.length))} more</li>` : nothing}
    </ul>`;
  }

  #answer({ target, status, milliseconds, skipped = 0, error, failedAt }: WireAnswer): TemplateResult {
    return html`<p class="answer" data-status=${status === 'failed' ? 'failed' : skipped > 0 ? 'skipped' : 'applied'}>
      ${name(target)}
      <b>${status === 'failed' ? 'failed' : skipped > 0 ? `skipped ${counted(skipped, 'map')}` : 'applied'}</b>${
        milliseconds === undefined ? nothing : html` <small>${elapsed(milliseconds)}</small>`
      }${
        failedAt === undefined
          ? nothing
          : html` at ${rangeButton(this.#store, addresses(failedAt.pages))} ${name(failedAt.region)}`
      }${error === undefined ? nothing : html` ${errorText(error)}`}
    </p>`;
  }
}

const entryCount = (number: number): string => `${count(number)} ${number === 1 ? 'entry' : 'entries'}`;

const SYMBOLS = { applied: '✓', failed: '✕', undone: '↶' };
const STATUS = { applied: 'applied', failed: 'applied, with failures', undone: 'undone' };

/** An undone set leads to no state: the next one that is applied has its number. */
function generation({ status, generation: number }: SetEntry): TemplateResult {
  return status === 'undone'
    ? html`<span
        class="generation"
        title="No generation: the set was undone, and the next one that is applied gets its number"
        >–</span
      >`
    : html`<span class="generation">${count(number)}</span>`;
}

function amount(
  sign: string,
  noun: string,
  number: number,
  pages: number | undefined,
  changes: readonly WireChange[],
): TemplateResult | typeof nothing {
  if (number === 0) {
    return nothing;
  }
  // Of what, if it is of few regions.
  const regions = [...new Set(changes.map(({ region }) => region))];
  const named = regions.length <= NAMED && changes.length === number ? regions : [];
  return html`<span data-sign=${sign}
    >${sign}${counted(number, noun)}
    ${named.map((region) => html`<b>${name(region, 20)}</b> `)}${
      pages === undefined ? nothing : html`<small>${size(pages)}</small>`
    }</span
  >`;
}

function note({ at, severity, error }: NoteEntry): TemplateResult {
  return html`<li data-entry="note" data-severity=${severity}>
    <p class="head">
      <span class="symbol" aria-hidden="true">${{ info: 'i', warning: '!', error: '✕' }[severity]}</span>
      <time>${time(at)}</time>
      <span class="status">${visible(severity === 'info' ? '' : severity).replace('(no name)', '')}</span>
    </p>
    <p class="answer">${errorText(error)}</p>
  </li>`;
}
