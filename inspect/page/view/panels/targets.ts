import { html, nothing, type TemplateResult } from 'lit/html.js';
import type { LogEntry, WireAnswer, WireTarget } from '../../../wire/messages.js';
import { NO_EXCEPTIONS } from '../../model/state.js';
import { count, duration, size, time } from '../../model/text.js';
import { addresses, errorText, name, rangeButton } from '../parts.js';
import type { Store } from '../store.js';

const LISTED = 5;

/** How each target is doing: what it holds, what went wrong and when. */
export function targetsPanel(store: Store): TemplateResult {
  const { targets } = store.state;
  if (store.replica.history.last < 0) {
    return html`<p class="empty">Nothing has arrived yet.</p>`;
  }
  return targets.length === 0
    ? html`<p class="empty" id="no-targets">
        <strong>No targets.</strong> The memory map is followed by nobody. A target is attached with
        <code>manager.attach(target)</code>; it gets what is mapped at once.
      </p>`
    : html`<ol class="targets">
        ${targets.map((target, index) => targetItem(store, target, index))}
      </ol>`;
}

function targetItem(store: Store, target: WireTarget, index: number): TemplateResult {
  const failure = lastFailure(store, target.key);
  return html`<li data-target=${target.key} data-phase=${target.phase}>
    <h2><span class="ordinal">${index + 1}</span> ${name(target.name, 60)} ${phaseText(target)}</h2>
    <dl class="numbers">
      <div>
        <dt>held</dt>
        <dd>${count(target.held)} <small>${size(target.heldPages)}</small></dd>
      </div>
      <div class=${target.stuck > 0 ? 'problem' : ''}>
        <dt>stuck</dt>
        <dd>${count(target.stuck)}</dd>
      </div>
      <div class=${target.missing > 0 ? 'problem' : ''}>
        <dt>missing</dt>
        <dd>${count(target.missing)}</dd>
      </div>
      <div class=${target.pendingSince === undefined ? '' : 'waiting'}>
        <dt>pending</dt>
        <dd>
          ${target.pendingSince === undefined ? 'no' : html`no answer for ${duration(shownNow(store) - target.pendingSince)}`}
        </dd>
      </div>
    </dl>
    ${exceptions(store, target)}
    ${
      failure === undefined
        ? nothing
        : html`<p class="failure">
            <small>${time(failure.entry.at)}</small>
            ${failure.answer.error === undefined ? nothing : errorText(failure.answer.error)}
          </p>`
    }
  </li>`;
}

function phaseText({ phase }: WireTarget): TemplateResult | typeof nothing {
  switch (phase) {
    case 'attached':
      return nothing;
    case 'leaving':
      return html`<em class="phase">leaving: it still holds something</em>`;
    case 'gone':
      return html`<em class="phase">gone: it holds nothing any more</em>`;
  }
}

/** What of the memory map it holds otherwise. */
function exceptions(store: Store, { key, stuckSince }: WireTarget): TemplateResult {
  const lists = store.state.exceptions.get(key) ?? NO_EXCEPTIONS;
  const since = stuckSince === undefined ? '' : ` for ${duration(shownNow(store) - stuckSince)}`;
  const texts = {
    stuck: `stuck${since}: unmap failed, the target still has it`,
    missing: 'missing: it should be held, and mapping it again failed',
    absent: `absent: active, and not held: filtered, skipped${lists.missing.size > 0 ? ', or missing as above' : ''}`,
    extra: 'extra: held, and not active: the change set is not finished',
  };
  return html`${(['stuck', 'missing', 'absent', 'extra'] as const).map((kind) => {
    const list = lists[kind];
    return list.size === 0
      ? nothing
      : html`<div class="exceptions" data-kind=${kind}>
          <span>${texts[kind]}</span>
          <ul>
            ${list
              .slice(0, LISTED)
              .map(
                ({ pages, region }) =>
                  html`<li>
                    ${rangeButton(store, addresses(pages))} ${region === undefined ? nothing : name(region, 30)}
                  </li>`,
              )}
            ${list.size > LISTED ? html`<li>and ${count(list.size - LISTED)} more</li>` : nothing}
          </ul>
        </div>`;
  })}`;
}

/** The time of the server, or of the moment that is shown. */
function shownNow(store: Store): number {
  return store.back === undefined ? store.now : store.state.at;
}

/** What it said the last time that it failed, as far as the log goes back, unless it has answered well since. */
function lastFailure(
  { replica, moment }: Store,
  target: number,
): { readonly entry: LogEntry; readonly answer: WireAnswer } | undefined {
  const answerIn = (entry: LogEntry): WireAnswer | undefined =>
    entry.kind === 'set' ? entry.answers.find((answer) => answer.key === target) : undefined;
  const [last] = replica.log.latest(moment?.logged ?? 0, 1, (entry) => answerIn(entry) !== undefined, 200);
  const answer = last === undefined ? undefined : answerIn(last.entry);
  return last !== undefined && answer?.error !== undefined ? { entry: last.entry, answer } : undefined;
}
