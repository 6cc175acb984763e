import { html, nothing, type TemplateResult } from 'lit/html.js';
import type { Lane } from '../../model/lanes.js';
import { short } from '../../model/names.js';
import { address, counted, range, size } from '../../model/text.js';
import { KEYS } from '../panels/help.js';
import type { Store } from '../store.js';
import type { Drawing } from './drawing.js';
import { place, targetChooser, targetHead } from './target-heads.js';
import type { Legend } from './legend.js';
import type { Overview } from './overview.js';

/** The drawing with the titles of its lanes, the overview, and what is under the pointer. */
export function map(store: Store, drawing: Drawing, overview: Overview, legend: Legend): TemplateResult {
  const { state, window } = store;
  const { lanes } = drawing;
  drawing.canvas.setAttribute(
    'aria-label',
    `Memory map from ${address(window[0])} to ${address(window[1])}: ${counted(state.mappings.size, 'active mapping')}, ${counted(state.regions.size, 'region')}, ${counted(state.targets.length, 'target')}`,
  );
  return html`<section id="map" aria-label="Memory map">
    <div class="lane-heads">
      ${head(lanes.axis, 'axis', html`<b>Address</b>`)}
      ${head(lanes.guest, 'guest', html`<b>${lanes.guest.width < 76 ? 'Guest' : 'Guest sees'}</b><small>active mappings</small>`)}
      ${head(
        lanes.regions,
        'regions',
        html`<b>Regions</b
          ><small
            >${lanes.levels.length > 1 ? 'each covers those at its left' : counted(state.regions.size, 'region')}</small
          >`,
      )}
      ${drawing.targets.shown.map((target, index) => {
        const lane = lanes.targets[index];
        return lane === undefined ? nothing : targetHead(store, lane, target);
      })}
    </div>
    ${targetChooser(store, drawing)}
    <div class="canvases" data-stale=${store.connection.phase !== 'connected' && store.replica.history.last >= 0}>
      ${overview.canvas}
      <div
        class="drawing"
        @pointermove=${(event: PointerEvent) => hover(event, store, drawing)}
        @pointerleave=${() => store.set({ readout: '' })}
      >
        ${drawing.canvas} ${empty(store)}
      </div>
    </div>
    <p id="drawing-keys" class="hidden">
      ${KEYS.map(([keys, what]) => `${keys}: ${what}.`).join(' ')} The tables have the same in text.
    </p>
    <p id="readout" aria-hidden="true">
      ${store.readout === '' ? html`<span class="dim">${windowText(store, drawing)}</span>` : store.readout}
    </p>
    ${legend.element}
  </section>`;
}

function head({ left, width }: Lane, kind: string, content: TemplateResult): TemplateResult {
  return html`<div class="lane-head" data-lane=${kind} .style=${place(left, width)}>${content}</div>`;
}

function hover(event: PointerEvent, store: Store, drawing: Drawing): void {
  if (event.pointerType === 'touch' || event.target !== drawing.canvas) {
    return;
  }
  const { page, selection } = drawing.at(event);
  const what =
    selection?.kind === 'mapping'
      ? `mapping of ${short(selection.mapping.region, 40)}, ${range(selection.pages)}, ${size(selection.pages[1] - selection.pages[0])}`
      : selection?.kind === 'region'
        ? `region ${short(selection.region.name, 40)}, ${range(selection.pages)}, ${size(selection.pages[1] - selection.pages[0])}`
        : noMapping(store, page);
  store.set({ readout: `${address(page)} · ${what}` });
}

/** What the drawing shows, while the pointer is elsewhere. */
function windowText({ window }: Store, { densest }: Drawing): string {
  const shown = `${range([Math.floor(window[0]), Math.ceil(window[1])])} shown`;
  return densest > 1
    ? `${shown} · up to ${counted(densest, 'mapping')} in a line of pixels: zoom in to see each`
    : shown;
}

function noMapping({ state, picture }: Store, page: number): string {
  const part = picture.shown.floor(page);
  const region = part === undefined || part.pages[1] <= page ? undefined : state.regions.get(part.region);
  return region === undefined ? 'no mapping' : `no mapping: a hole of region ${short(region.name, 40)}`;
}

/** What to do where there is nothing yet. */
function empty(store: Store): TemplateResult | typeof nothing {
  const { replica, connection, state } = store;
  if (replica.otherProtocol !== undefined) {
    return nothing;
  }
  if (replica.history.last < 0) {
    return connection.phase === 'disconnected'
      ? html`<div class="cover" id="not-connected">
          <strong>Not connected.</strong
          ><span
            >${connection.refusal === undefined ? 'Nothing has arrived yet.' : 'The server refuses to serve this page.'}</span
          >
        </div>`
      : html`<div class="cover" id="connecting"><strong>Connecting …</strong></div>`;
  }
  if (state.regions.size === 0 && state.mappings.size === 0) {
    return html`<div class="cover" id="empty">
      <strong>No regions yet.</strong>
      <span
        >The manager is empty. A region appears here when your program calls <code>manager.addRegion(…)</code>, or when
        the source reports memory. The guest sees it when it is mapped: <code>region.map(…)</code>.</span
      >
    </div>`;
  }
  return nothing;
}
