import { html, type TemplateResult } from 'lit/html.js';
import { addressFault } from '../../model/address.js';
import { MATCH_LIMIT } from '../../model/search.js';
import { fitted } from '../../model/scale.js';
import { count } from '../../model/text.js';
import type { Store } from '../store.js';
import { showHelp } from './help.js';

/** Search, and what moves the window. */
export function toolbar(store: Store): TemplateResult {
  const { selection, picture } = store;
  const foldable = picture.fold.gaps.length > 0;
  return html`<section class="toolbar" aria-label="Search and view">
    ${searchBox(store)}
    <span class="group">
      <button id="zoom-out" title="Zoom out (-)" aria-label="Zoom out" @click=${() => store.zoom(0.5)}>−</button>
      <button id="zoom-in" title="Zoom in (+)" aria-label="Zoom in" @click=${() => store.zoom(2)}>+</button>
      <button
        id="fit-all"
        title="Show everything (F)"
        aria-pressed=${store.chosen === undefined}
        @click=${() => store.set({ chosen: undefined })}
      >
        Fit all
      </button>
      <button
        id="fit-selection"
        title="Show the selection in full (Enter)"
        ?disabled=${selection === undefined}
        @click=${() => selection !== undefined && store.set({ chosen: fitted(selection.pages, store.fold, store.bounds) })}
      >
        Fit selection
      </button>
    </span>
    <span class="group">
      <span class="dim">Mapping</span>
      <button
        id="previous-mapping"
        title="Previous mapping (P)"
        aria-label="Previous mapping"
        @click=${() => store.goToMapping(-1)}
      >
        ↑
      </button>
      <button id="next-mapping" title="Next mapping (N)" aria-label="Next mapping" @click=${() => store.goToMapping(1)}>
        ↓
      </button>
    </span>
    <button id="show-keys" title="Keys, and what can be searched for (?)" aria-label="Keys" @click=${showHelp}>
      ?
    </button>
    <label class="check" title="Large empty gaps are drawn short. All else is to scale.">
      <input
        type="checkbox"
        id="fold"
        .checked=${store.folded}
        ?disabled=${!foldable}
        @change=${(event: Event) => store.set({ folded: (event.target as HTMLInputElement).checked })}
      />
      Fold empty gaps
    </label>
  </section>`;
}

function searchBox(store: Store): TemplateResult {
  const { query, match } = store;
  const found = query.trim() === '' ? undefined : store.matches.length;
  const most = found === MATCH_LIMIT ? '+' : '';
  const result =
    found === undefined
      ? ''
      : found === 0
        ? (addressFault(query) ?? 'nothing found')
        : match < 0
          ? `${count(found)}${most} found`
          : `${count(match + 1)} of ${count(found)}${most}`;
  return html`<form
    class="search"
    role="search"
    @submit=${(event: Event) => {
      event.preventDefault();
      store.goToMatch(1);
    }}
  >
    <input
      id="search"
      type="search"
      placeholder="Address or name"
      title="As 0xfec00000, 4G, 1M-2M, 4G+256M, ram"
      aria-label="Search by address or name"
      autocomplete="off"
      spellcheck="false"
      .value=${query}
      @input=${(event: Event) => store.look((event.target as HTMLInputElement).value)}
      @keydown=${(event: KeyboardEvent) => {
        // The form alone does not do: it is not submitted while its button is disabled, and the button follows a frame later.
        if (event.key === 'Enter') {
          event.preventDefault();
          store.goToMatch(event.shiftKey ? -1 : 1);
        } else if (event.key === 'Escape') {
          store.look('');
        }
      }}
    />
    <output id="search-result">${result}</output>
    <button
      type="button"
      id="search-previous"
      aria-label="Previous match"
      title="Previous match (Shift+Enter)"
      ?disabled=${!found}
      @click=${() => store.goToMatch(-1)}
    >
      ‹
    </button>
    <button id="search-next" aria-label="Next match" title="Next match (Enter)" ?disabled=${!found}>›</button>
  </form>`;
}
