import { html, type TemplateResult } from 'lit/html.js';
import type { Pages, WireMapping, WireRegion } from '../../../wire/messages.js';
import { parseQuery } from '../../model/search.js';
import { isMapped } from '../../model/shown.js';
import { address, count, size } from '../../model/text.js';
import { name, rangeButton } from '../parts.js';
import type { Selection, Store } from '../store.js';

/** Height of a row, as in the style sheet. */
const ROW = 24;
/** Rows beyond those that are seen, on each side. */
const BEYOND = 6;

interface Row {
  readonly selection: Selection;
  readonly name: string;
  readonly cells: readonly string[];
}

interface Columns<T> {
  readonly id: string;
  readonly heads: readonly string[];
  readonly items: readonly T[];
  readonly row: (item: T) => Row;
}

/** A table behind the drawing: all in text. Only the rows that are seen are in the document. */
export class Table {
  readonly #store: Store;
  readonly #schedule: () => void;
  #scrolled = 0;
  #height = 400;
  #filtered:
    | { readonly list: unknown; readonly filter: string; readonly items: readonly unknown[]; readonly at: number }
    | undefined;

  constructor(store: Store, schedule: () => void) {
    this.#store = store;
    this.#schedule = schedule;
  }

  mappings(): TemplateResult {
    const { mappings } = this.#store.state;
    return this.#render({
      id: 'mappings',
      heads: ['Start', 'End', 'Size', 'Region', 'Kind'],
      items: this.#items<WireMapping>(mappings, ({ region }) => region),
      row: (mapping) => ({
        selection: { kind: 'mapping', pages: mapping.pages, mapping },
        name: mapping.region,
        cells: [`${mapping.type === 'ram' ? 'RAM' : 'device'} ${mapping.writable ? 'rw' : 'ro'}`],
      }),
    });
  }

  regions(): TemplateResult {
    return this.#render({
      id: 'regions',
      heads: ['Start', 'End', 'Size', 'Region', 'Kind', 'Priority', 'Mapped'],
      items: this.#items<WireRegion>(this.#store.state.regions, (region) => region.name),
      row: (region) => ({
        selection: { kind: 'region', pages: region.pages, region },
        name: region.name,
        cells: [
          `${region.type === 'ram' ? 'RAM' : 'device'}${region.holes === 'transparent' ? ', transparent' : ''}`,
          region.priority.toString(),
          isMapped(region) ? (region.access === 'writable' ? 'rw' : 'ro') : 'no',
        ],
      }),
    });
  }

  /** What passes the filter. While the list changes, it may be half a second old: with 100,000 rows it takes a while. */
  #items<T extends { readonly pages: Pages }>(
    list: { toArray(): readonly T[] },
    nameOf: (item: T) => string,
  ): readonly T[] {
    const { filter } = this.#store;
    const now = performance.now();
    const known = this.#filtered;
    if (known?.filter !== filter || (known.list !== list && now - known.at > 500)) {
      const query = parseQuery(filter);
      const all = list.toArray();
      const items = query === undefined ? all : all.filter((item) => query.matches(item.pages, nameOf(item)));
      this.#filtered = { list, filter, items, at: now };
    }
    return this.#filtered?.items as readonly T[];
  }

  #render<T>({ id, heads, items, row }: Columns<T>): TemplateResult {
    const { selection, filter } = this.#store;
    const from = Math.max(0, Math.min(Math.floor(this.#scrolled / ROW), items.length - 1) - BEYOND);
    const to = Math.min(items.length, Math.ceil((this.#scrolled + this.#height) / ROW) + BEYOND);
    return html`<div class="table-panel">
      <div class="bar">
        <input
          type="search"
          id="table-filter"
          aria-label="Only rows with this address or name"
          placeholder="Only: address or name"
          spellcheck="false"
          .value=${filter}
          @input=${(event: Event) => this.#store.set({ filter: (event.target as HTMLInputElement).value })}
        />
        <span class="dim">${count(items.length)} ${items.length === 1 ? 'row' : 'rows'}</span>
      </div>
      <div
        class="scroll"
        tabindex="0"
        aria-label=${`${id}, table`}
        @scroll=${(event: Event) => this.#scroll(event.target as HTMLElement)}
      >
        <table id=${`${id}-table`} aria-rowcount=${items.length + 1}>
          <thead>
            <tr aria-rowindex="1">
              ${heads.map((head) => html`<th scope="col">${head}</th>`)}
            </tr>
          </thead>
          <tbody>
            ${space(from)} ${items.slice(from, to).map((item, index) => this.#row(row(item), from + index, selection))}
            ${space(items.length - to)}
          </tbody>
        </table>
        ${items.length === 0 ? html`<p class="empty">${filter === '' ? `There are no ${id}.` : 'No row passes the filter.'}</p>` : ''}
      </div>
    </div>`;
  }

  #row({ selection, name: text, cells }: Row, index: number, selected: Selection | undefined): TemplateResult {
    const { kind, pages } = selection;
    const isSelected = selected?.kind === kind && selected.pages[0] === pages[0] && selected.pages[1] === pages[1];
    return html`<tr aria-rowindex=${index + 2} aria-current=${isSelected}>
      <td class="address">${rangeButton(this.#store, selection, address(pages[0]))}</td>
      <td class="address">${address(pages[1])}</td>
      <td class="size">${size(pages[1] - pages[0])}</td>
      <td>${name(text, 32)}</td>
      ${cells.map((cell) => html`<td>${cell}</td>`)}
    </tr>`;
  }

  #scroll(element: HTMLElement): void {
    this.#scrolled = element.scrollTop;
    this.#height = element.clientHeight;
    this.#schedule();
  }
}

/** The room of rows that are not in the document. */
function space(rows: number): TemplateResult {
  return html`<tr class="space" aria-hidden="true">
    <td .style=${`height: ${(rows * ROW).toString()}px`}></td>
  </tr>`;
}
