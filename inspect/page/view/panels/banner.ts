import { html, nothing, type TemplateResult } from 'lit/html.js';
import { short } from '../../model/names.js';
import { counted, duration, time } from '../../model/text.js';
import { PROTOCOL } from '../../model/replica.js';
import { errorText, LONGEST } from '../parts.js';
import type { Store } from '../store.js';

/** What the user must know of the state that is shown: it is an old one, or nothing comes any more. */
export function banners(store: Store): TemplateResult {
  return html`<section id="banners" aria-label="Notices">
    ${protocol(store)} ${connection(store)} ${source(store)} ${back(store)}
  </section>`;
}

function banner(kind: string, severity: 'info' | 'warning' | 'error', content: TemplateResult): TemplateResult {
  return html`<div class="banner" data-banner=${kind} data-severity=${severity}>${content}</div>`;
}

function protocol({ replica }: Store): TemplateResult | typeof nothing {
  return replica.otherProtocol === undefined
    ? nothing
    : banner(
        'protocol',
        'error',
        html`<strong>The server has another version.</strong> It speaks protocol ${replica.otherProtocol}, this page
          speaks ${PROTOCOL}. <button @click=${() => location.reload()}>Load the page again</button>`,
      );
}

function connection(store: Store): TemplateResult | typeof nothing {
  const { replica } = store;
  const { phase, since, refusal } = store.connection;
  const again = html`<button @click=${() => store.connection.open()}>Connect now</button>`;
  if (refusal !== undefined) {
    return banner(
      'refused',
      'warning',
      html`<strong>The server refuses to serve this page:</strong> ${short(refusal, LONGEST)} The page asks again by
        itself. ${again}`,
    );
  }
  if (replica.ended) {
    return banner(
      'ended',
      'info',
      html`<strong>The server has ended.</strong> ${
          replica.history.last >= 0 ? 'You see the last state.' : 'It had sent no state.'
        }
        The page connects again by itself when a server runs at this address. ${again}`,
    );
  }
  if (phase === 'disconnected') {
    const last = replica.history.last >= 0;
    return banner(
      'disconnected',
      'warning',
      html`<strong>Disconnected since ${time(since).slice(0, 8)}, for ${duration(Date.now() - since)}.</strong> ${
          last
            ? 'You see the last state that arrived.'
            : 'Nothing has arrived yet. Is the program running, and is this its address?'
        }
        The page connects again by itself. ${again}`,
    );
  }
  return nothing;
}

function source({ state }: Store): TemplateResult | typeof nothing {
  const { phase, error } = state.status;
  switch (phase) {
    case 'following':
      return nothing;
    case 'waiting':
      return banner(
        'waiting',
        'warning',
        html`<strong>Waiting for the source of the memory map.</strong>
          ${error === undefined ? nothing : errorText(error)}`,
      );
    case 'ended':
      return banner(
        'source-ended',
        'info',
        html`<strong>The source of the memory map has ended.</strong> Nothing changes any more.
          ${error === undefined ? nothing : errorText(error)}`,
      );
    case 'failed':
      return banner(
        'failed',
        'error',
        html`<strong>The source of the memory map has failed.</strong>
          ${error === undefined ? nothing : errorText(error)}`,
      );
  }
}

function back(store: Store): TemplateResult | typeof nothing {
  const { back: number, state, replica } = store;
  return number === undefined
    ? nothing
    : banner(
        'back',
        'info',
        html`<strong>You see the state of ${time(state.at)}.</strong>
          ${counted(replica.history.setsAfter(number), 'change set')} since.
          <button id="back-to-live" @click=${() => store.goTo(undefined)}>Back to live</button>`,
      );
}
