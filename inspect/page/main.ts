import { html, render } from 'lit/html.js';
import { Replica } from './model/replica.js';
import { firstPage } from './model/state.js';
import { range, size } from './model/text.js';
import { visible } from './model/names.js';
import { Connection } from './view/connection.js';

const replica = new Replica();
const root = document.querySelector<HTMLElement>('#app');
let scheduled = false;

const connection = new Connection(
  '/events',
  (message) => {
    replica.receive(message, Date.now());
    schedule();
  },
  schedule,
);

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
  const { state } = replica;
  if (root !== null) {
    render(
      html`<h1>${visible(replica.description)}</h1>
        <p id="connection" data-phase=${connection.phase}>${connection.phase}</p>
        <p>generation ${state.generation}, ${size(state.mappedPages)}</p>
        <ul id="mappings">
          ${state.mappings.slice(0, 200).map((mapping) => html`<li data-start=${firstPage(mapping)}>${range(mapping.pages)} ${visible(mapping.region)}</li>`)}
        </ul>
        <ul id="targets">
          ${state.targets.map(({ name, held, stuck }) => html`<li>${visible(name)} held ${held} stuck ${stuck}</li>`)}
        </ul>`,
      root,
    );
  }
}

connection.open();
draw();
