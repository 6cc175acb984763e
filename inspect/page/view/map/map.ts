import { html, nothing, type TemplateResult } from 'lit/html.js';
import type { WireTarget } from '../../../wire/messages.js';
import type { Lane } from '../../model/lanes.js';
import { short, visible } from '../../model/names.js';
import { address, count, counted, duration, range, size } from '../../model/text.js';
import { name } from '../parts.js';
import type { Store } from '../store.js';
import type { Drawing } from './drawing.js';
import { KEYS } from './keys.js';
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
  const unseen = state.targets.length - lanes.targets.length;
  return html`<section id="map" aria-label="Memory map">
    <div class="lane-heads">
      ${head(lanes.axis, 'axis', html`<b>Address</b>`)}
      ${head(lanes.guest, 'guest', html`<b>${lanes.guest.width < 76 ? 'Guest' : 'Guest sees'}</b><small>active mappings</small>`)}
      ${head(
        lanes.regions,
        'regions',
        html`<b>Regions</b
          ><small
            >${lanes.levels.length > 1 ? 'highest rank at the left' : counted(state.regions.size, 'region')}</small
          >`,
      )}
      ${lanes.targets.map((lane, index) => {
        const target = state.targets[index];
        return target === undefined ? nothing : targetHead(store, lane, target, index);
      })}
    </div>
    ${unseen > 0 ? html`<p class="unseen">${counted(unseen, 'target')} without a lane: see Targets</p>` : nothing}
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
    <p id="drawing-keys" class="hidden">${KEYS}</p>
    <p id="readout" aria-hidden="true">
      ${store.readout === '' ? html`<span class="dim">${windowText(store, drawing)}</span>` : store.readout}
    </p>
    ${legend.element}
  </section>`;
}

function head({ left, width }: Lane, kind: string, content: TemplateResult): TemplateResult {
  return html`<div class="lane-head" data-lane=${kind} .style=${place(left, width)}>${content}</div>`;
}

function targetHead(store: Store, lane: Lane, target: WireTarget, index: number): TemplateResult {
  const now = store.back === undefined ? store.now : store.state.at;
  const waiting = target.pendingSince === undefined ? undefined : now - target.pendingSince;
  const notes = [
    target.phase === 'attached' ? '' : target.phase,
    target.stuck > 0 ? `${count(target.stuck)} stuck` : '',
    target.missing > 0 ? `${count(target.missing)} missing` : '',
    waiting === undefined ? '' : `no answer ${duration(waiting)}`,
  ].filter((note) => note !== '');
  const state =
    target.stuck + target.missing > 0
      ? 'problem'
      : waiting !== undefined
        ? 'pending'
        : target.phase === 'attached'
          ? 'held'
          : 'leaving';
  const title = `${visible(target.name)}: holds ${counted(target.held, 'mapping')}, ${size(target.heldPages)}${notes.map((note) => `; ${note}`).join('')}`;
  const symbol = { problem: '✕', pending: '…', leaving: '↩', held: '✓' }[state];
  return html`<button
    class="lane-head"
    data-lane="target"
    data-target=${target.key}
    data-state=${state}
    title=${title}
    .style=${place(lane.left, lane.width)}
    @click=${() => store.set({ tab: 'targets' })}
  >
    ${
      lane.width < 48
        ? html`<b>${index + 1}</b><small>${symbol}</small>`
        : html`<b>${name(target.name, Math.floor(lane.width / 7))}</b
            ><small>${notes[0] ?? `✓ ${size(target.heldPages)}`}</small>`
    }
  </button>`;
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
          <strong>Not connected.</strong><span>Nothing has arrived yet.</span>
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

/** A style that is set as a property: the content security policy forbids the attribute, also as lit's `styleMap` sets it at first. */
function place(left: number, width: number): string {
  return `left: ${left.toString()}px; width: ${width.toString()}px`;
}
