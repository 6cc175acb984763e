import { html, nothing, type TemplateResult } from 'lit/html.js';
import type { WireTarget } from '../../../wire/messages.js';
import type { Lane } from '../../model/lanes.js';
import { shortInside, visible } from '../../model/names.js';
import { count, counted, duration, size } from '../../model/text.js';
import type { Store } from '../store.js';
import type { Drawing } from './drawing.js';

/** Pixels of a lane in which there is only room for a name. */
const NARROW = 60;
/** Pixels of a lane in which there is room for words. */
const ROOMY = 100;

/** The title of the lane of a target: how it is doing. */
export function targetHead(store: Store, lane: Lane, target: WireTarget): TemplateResult {
  const now = store.back === undefined ? store.now : store.state.at;
  const waiting = target.pendingSince === undefined ? undefined : now - target.pendingSince;
  const notes = [
    target.phase === 'attached' ? '' : target.phase,
    target.stuck > 0 ? `${count(target.stuck)} stuck` : '',
    target.missing > 0 ? `${count(target.missing)} missing` : '',
    waiting === undefined ? '' : `${lane.width < ROOMY ? '…' : 'no answer'} ${duration(waiting)}`,
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
  const isNarrow = lane.width < NARROW;
  const symbol = { problem: '✕', pending: '…', leaving: '↩', held: '✓' }[state];
  return html`<button
    class="lane-head"
    data-lane="target"
    data-target=${target.key}
    data-state=${state}
    title=${title}
    .style=${place(lane.left, lane.width)}
    data-narrow=${isNarrow}
    @click=${() => showInPanel(store, target)}
  >
    ${
      isNarrow
        ? html`<b
            >${state === 'held' ? '' : `${symbol} `}${shortInside(target.name, 2 * Math.floor(lane.width / 7.5) - 2)}</b
          >`
        : html`<b>${shortInside(target.name, Math.floor(lane.width / 8))}</b
            ><small>${notes[0] ?? `✓ ${size(target.heldPages)}`}</small>`
    }
  </button>`;
}

function showInPanel(store: Store, { key }: WireTarget): void {
  store.set({ tab: 'targets' });
  // After the frame in which the panel is drawn.
  requestAnimationFrame(() =>
    document.querySelector(`#panel .targets [data-target="${key.toString()}"]`)?.scrollIntoView({ block: 'nearest' }),
  );
}

/** Moves on among the targets when there are more of them than lanes. */
export function targetChooser(store: Store, { targets, lanes }: Drawing): TemplateResult | typeof nothing {
  const all = store.state.targets.length;
  const { from, shown } = targets;
  const to = from + shown.length;
  return all <= shown.length
    ? nothing
    : html`<p class="unseen">
        Targets ${count(from + 1)} to ${count(to)} of ${count(all)}, those with problems first
        <button
          id="targets-back"
          aria-label="Targets before these"
          title="Targets before these"
          ?disabled=${from === 0}
          @click=${() => store.set({ targetsFrom: Math.max(0, from - lanes.targets.length) })}
        >
          ‹
        </button>
        <button
          id="targets-forward"
          aria-label="Targets after these"
          title="Targets after these"
          ?disabled=${to === all}
          @click=${() => store.set({ targetsFrom: Math.min(all - lanes.targets.length, from + lanes.targets.length) })}
        >
          ›
        </button>
      </p>`;
}

/** A style that is set as a property: the content security policy forbids the attribute, also as lit's `styleMap` sets it at first. */
export function place(left: number, width: number): string {
  return `left: ${left.toString()}px; width: ${width.toString()}px`;
}
