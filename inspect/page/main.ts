import { html, render } from 'lit/html.js';
import { Activity } from './view/activity.js';
import { Announcer } from './view/announcer.js';
import { Drawing } from './view/map/drawing.js';
import { Legend } from './view/map/legend.js';
import { map } from './view/map/map.js';
import { Overview } from './view/map/overview.js';
import { banners } from './view/panels/banner.js';
import { help, showHelp } from './view/panels/help.js';
import { header, windowTitle } from './view/panels/header.js';
import { LogPanel } from './view/panels/log.js';
import { side } from './view/panels/side.js';
import { Table } from './view/panels/tables.js';
import { timeline } from './view/panels/timeline.js';
import { toolbar } from './view/panels/toolbar.js';
import { Store } from './view/store.js';
import { Theme } from './view/theme.js';

/** Milliseconds between two drawings when nothing comes, while something that is shown grows with the time. */
const CLOCK = 1000;

let scheduled = false;
let clock = 0;

const announcer = new Announcer();
const store = new Store(schedule, announcer);
const drawing = new Drawing(store, schedule);
const overview = new Overview(store, schedule);
const legend = new Legend();
const activity = new Activity(store.replica.history, schedule);
const log = new LogPanel(store, schedule);
const tables = { mappings: new Table(store, schedule), regions: new Table(store, schedule) };
const theme = new Theme(() => {
  [drawing, overview, legend, activity].forEach((colored) => colored.forgetColors());
  schedule();
});
const root = document.querySelector<HTMLElement>('#app') ?? document.body;

/** Has all drawn in the next animation frame: once, however often it is called. While the page is hidden there are no frames. */
function schedule(): void {
  if (!scheduled) {
    scheduled = true;
    requestAnimationFrame(() => {
      scheduled = false;
      draw();
    });
  }
}

function draw(): void {
  const started = performance.now();
  document.title = windowTitle(store);
  drawing.draw(schedule);
  render(
    html`${header(store, theme)} ${banners(store)} ${toolbar(store)}
      <main data-back=${store.back !== undefined}>
        ${map(store, drawing, overview, legend)}
        <div class="column">${side(store, tables)} ${log.render()}</div>
      </main>
      ${timeline(store, activity.canvas)} ${announcer.element} ${help()}`,
    root,
  );
  overview.draw();
  legend.draw();
  activity.draw();
  root.dataset['frameMs'] = (performance.now() - started).toFixed(2);
  clearTimeout(clock);
  if (store.growsOld) {
    clock = window.setTimeout(schedule, CLOCK);
  }
}

addEventListener('keydown', (event) => {
  const { target } = event;
  if (target instanceof HTMLInputElement && target.type !== 'range' && target.type !== 'checkbox') {
    return;
  }
  if (event.key === '/') {
    event.preventDefault();
    document.querySelector<HTMLInputElement>('#search')?.focus();
  } else if (event.key === '?') {
    showHelp();
  }
});

addEventListener('focus', () => store.connection.wake());
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) {
    store.connection.wake();
  }
});

store.connection.open();
schedule();
