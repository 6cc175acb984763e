import { html, type TemplateResult } from 'lit/html.js';

/** The keys of the drawing, and those of the whole page. */
export const KEYS: readonly (readonly [keys: string, what: string])[] = [
  ['arrow up, arrow down', 'move a little'],
  ['Page Up, Page Down', 'move by what is shown'],
  ['Home, End', 'go to the first and last address'],
  ['+, -', 'zoom, at the selection if it is seen'],
  ['N, P', 'select the next and previous mapping'],
  ['F', 'show everything'],
  ['Enter', 'show the selection in full'],
  ['Escape', 'end the selection'],
];

const EVERYWHERE: typeof KEYS = [
  ['/', 'go to the search'],
  ['?', 'show this'],
];

const SEARCHES: typeof KEYS = [
  ['0xfec00000, fec00000h, 4G', 'an address'],
  ['1M-2M, 1M..2M', 'a range, without its end'],
  ['4G+256M', 'a range by its length'],
  ['ram', 'what has a part of a name'],
];

/** What the keys do, and what can be searched for. Opened by `showHelp`. */
export function help(): TemplateResult {
  return html`<dialog id="help" aria-labelledby="help-title">
    <form method="dialog">
      <h2 id="help-title">Keys</h2>
      <h3>While the memory map has the focus</h3>
      ${list(KEYS)}
      <h3>Everywhere</h3>
      ${list(EVERYWHERE)}
      <h3>Searches</h3>
      ${list(SEARCHES)}
      <button>Close</button>
    </form>
  </dialog>`;
}

export function showHelp(): void {
  const dialog = document.querySelector<HTMLDialogElement>('#help');
  if (dialog?.open === false) {
    dialog.showModal();
  }
}

function list(rows: typeof KEYS): TemplateResult {
  return html`<dl class="keys">
    ${rows.map(
      ([keys, what]) =>
        html`<div>
          <dt>${keys}</dt>
          <dd>${what}</dd>
        </div>`,
    )}
  </dl>`;
}
