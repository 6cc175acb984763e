import { html, type TemplateResult } from 'lit/html.js';
import { short } from '../../model/names.js';
import { count, counted, size } from '../../model/text.js';
import type { Store } from '../store.js';
import type { Theme } from '../theme.js';

/** What is looked at, how the connection is, and totals of the state that is shown. */
export function header(store: Store, theme: Theme): TemplateResult {
  const { replica, state, picture, connection } = store;
  const { mapped, hidden, partly } = picture.totals;
  const [phase, label] = replica.ended ? ['ended', 'ended'] : [connection.phase, PHASES[connection.phase]];
  const problems = state.targets.filter(({ stuck, missing }) => stuck + missing > 0).length;
  return html`<header>
    <h1 title=${short(replica.description, 400)}>
      <span class="product">dma-streams</span> ${short(replica.description, 80)}
    </h1>
    <p class="connection" id="connection" data-phase=${phase}><span class="dot"></span>${label}</p>
    <dl class="totals" id="totals">
      ${total('generation', count(state.generation))}
      ${total('regions', count(state.regions.size), regionNote(state.regions.size - mapped, hidden, partly))}
      ${total('mappings', count(state.mappings.size))} ${total('mapped', size(state.mappedPages))}
      ${total('targets', count(state.targets.length), problemNote(state.targets.length, problems), problems > 0)}
    </dl>
    <button
      class="quiet"
      id="theme"
      title="Light or dark colours"
      aria-label=${theme.dark ? 'Light colours' : 'Dark colours'}
      @click=${() => theme.toggle()}
    >
      ${theme.dark ? '☀' : '☾'} <span class="word">${theme.dark ? 'Light' : 'Dark'}</span>
    </button>
  </header>`;
}

const PHASES = { connecting: 'connecting', connected: 'connected', disconnected: 'disconnected' };

function problemNote(targets: number, problems: number): string {
  return targets === 0 ? '' : problems === 0 ? 'no problems' : `${count(problems)} with problems`;
}

function regionNote(unmapped: number, hidden: number, partly: number): string {
  return [
    hidden > 0 ? `${count(hidden)} hidden` : '',
    partly > 0 ? `${count(partly)} partly hidden` : '',
    unmapped > 0 ? `${count(unmapped)} not mapped` : '',
  ]
    .filter((part) => part !== '')
    .join(', ');
}

function total(name: string, value: string, note = '', isProblem = false): TemplateResult {
  return html`<div data-total=${name}>
    <dt>${name}</dt>
    <dd><b>${value}</b>${note === '' ? '' : html` <small class=${isProblem ? 'problem' : ''}>${note}</small>`}</dd>
  </div>`;
}

/** The title of the window: it tells of what went wrong while nobody looks. */
export function windowTitle(store: Store): string {
  const { replica, state, connection } = store;
  const failed = state.targets.reduce((sum, { stuck, missing }) => sum + stuck + missing, 0);
  const sign =
    connection.phase === 'connected' ? (failed > 0 ? `(${counted(failed, 'problem')}) ` : '') : '(disconnected) ';
  return `${sign}${short(replica.description, 60)} - dma-streams`;
}
