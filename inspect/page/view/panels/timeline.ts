import { html, type TemplateResult } from 'lit/html.js';
import { count, counted, time } from '../../model/text.js';
import type { Store } from '../store.js';

/** Goes back in the states that the page keeps. The element of its activity is a canvas of its own. */
export function timeline(store: Store, activity: HTMLElement): TemplateResult {
  const { moment, back, connection, replica } = store;
  const { history } = replica;
  const isConnected = connection.phase === 'connected' && !replica.ended;
  const first = Math.max(0, history.first);
  const last = Math.max(0, history.last);
  const number = back ?? last;
  const text =
    moment === undefined ? 'nothing yet' : `${time(moment.state.at)}, generation ${count(moment.state.generation)}`;
  return html`<footer id="timeline" aria-label="Time line" data-live=${back === undefined && isConnected}>
    <button
      id="step-back"
      title="One step back"
      aria-label="One step back"
      ?disabled=${number <= first}
      @click=${() => store.goStep(-1)}
    >
      ◀
    </button>
    <div class="track">
      ${activity}
      <input
        id="history"
        type="range"
        min=${first}
        max=${last}
        .value=${number.toString()}
        ?disabled=${last === first}
        aria-label="State to show"
        aria-valuetext=${text}
        @input=${(event: Event) => store.goTo(Number((event.target as HTMLInputElement).value))}
      />
    </div>
    <button
      id="step-forward"
      title="One step forward"
      aria-label="One step forward"
      ?disabled=${back === undefined}
      @click=${() => store.goStep(1)}
    >
      ▶
    </button>
    <button id="live" aria-pressed=${back === undefined} @click=${() => store.goTo(undefined)}>
      <span class="dot"></span>${isConnected ? 'Live' : 'Last state'}
    </button>
    <span id="shown-time">${text}</span>
    <small class="dim"
      >${counted(last - first + 1, 'state')}${history.dropped > 0 ? `, ${count(history.dropped)} older ones dropped` : ''}</small
    >
  </footer>`;
}
