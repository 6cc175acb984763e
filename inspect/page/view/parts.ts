import { html, nothing, type TemplateResult } from 'lit/html.js';
import type { Pages, WireError } from '../../wire/messages.js';
import { short, visible } from '../model/names.js';
import { range } from '../model/text.js';
import type { Selection, Store } from './store.js';

/** A name, cut where it is too long; whole in its title. */
export function name(text: string, length = 40): TemplateResult {
  const cut = short(text, length);
  return html`<span class="name" title=${cut === visible(text) ? nothing : visible(text)}>${cut}</span>`;
}

/** A range that can be chosen: it is selected, and shown in the drawing. */
export function rangeButton(store: Store, selection: Selection, text = range(selection.pages)): TemplateResult {
  return html`<button class="link address" title="Select and show" @click=${() => store.select(selection)}>
    ${text}
  </button>`;
}

export const addresses = (pages: Pages): Selection => ({ kind: 'addresses', pages });

/** Characters of a message that are shown, at most. */
export const LONGEST = 2000;

/** What went wrong, and what to do. */
export function errorText({ code, message, hint }: WireError): TemplateResult {
  return html`<span class="error"
    >${code === undefined || message.includes(code) ? nothing : html`<code>${short(code, 100)}</code> `}${short(message, LONGEST)}${
      hint === undefined
        ? nothing
        : html`<span class="hint"><strong>What to do:</strong> ${short(hint, LONGEST)}</span>`
    }</span
  >`;
}
