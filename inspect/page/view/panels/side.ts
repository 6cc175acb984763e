import { html, type TemplateResult } from 'lit/html.js';
import type { Store, Tab } from '../store.js';
import { selectionPanel } from './selection.js';
import type { Table } from './tables.js';
import { targetsPanel } from './targets.js';

const TABS: readonly (readonly [tab: Tab, title: string])[] = [
  ['targets', 'Targets'],
  ['selection', 'Selection'],
  ['mappings', 'Mappings'],
  ['regions', 'Regions'],
];

export interface Tables {
  readonly mappings: Table;
  readonly regions: Table;
}

/** Targets, the selection, and the tables, one at a time. */
export function side(store: Store, tables: Tables): TemplateResult {
  return html`<section id="side" aria-label="Details and tables">
    <div class="tabs" role="tablist" @keydown=${(event: KeyboardEvent) => turn(event, store)}>
      ${TABS.map(
        ([tab, title]) =>
          html`<button
            role="tab"
            id=${`tab-${tab}`}
            aria-selected=${store.tab === tab}
            aria-controls="panel"
            tabindex=${store.tab === tab ? 0 : -1}
            @click=${() => store.set({ tab })}
          >
            ${title}
          </button>`,
      )}
    </div>
    <div id="panel" role="tabpanel" aria-labelledby=${`tab-${store.tab}`} data-tab=${store.tab}>
      ${panel(store, tables)}
    </div>
  </section>`;
}

function panel(store: Store, tables: Tables): TemplateResult {
  switch (store.tab) {
    case 'targets':
      return targetsPanel(store);
    case 'selection':
      return selectionPanel(store);
    case 'mappings':
      return tables.mappings.mappings();
    case 'regions':
      return tables.regions.regions();
  }
}

/** The arrow keys go from tab to tab, as is usual. */
function turn(event: KeyboardEvent, store: Store): void {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (step !== undefined) {
    const index = TABS.findIndex(([tab]) => tab === store.tab);
    const [tab] = TABS[(index + step + TABS.length) % TABS.length] ?? ['targets'];
    store.set({ tab });
    document.querySelector<HTMLElement>(`#tab-${tab}`)?.focus();
  }
}
