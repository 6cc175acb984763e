import { emitKeypressEvents, type Interface } from 'node:readline';
import type { ReadStream } from 'node:tty';
import { terminalOf } from '../output/terminal.js';
import { drawWatch } from './draw.js';
import { Suspension } from './suspension.js';
import { TerminalScreen, type Terminal } from './terminal-screen.js';
import { FIRST_VIEW, press, type Key, type Shown, type View } from './view.js';
import { WatchModel } from './watch-model.js';
import type { WatchState } from './watch-state.js';
import type { Watched } from './watched.js';

/** In milliseconds: between two frames at least, and at most, as times and rates change. */
const FRAME = 100;
const SLOWEST_FRAME = 500;

/** In milliseconds: an Escape after which nothing has come for so long is no beginning of another key. */
const ESCAPE_ALONE = 50;

/**
 * Shows on a terminal what is watched, and does what its keys ask for, until the user quits or the signal is aborted. The terminal is then what it was
 * before.
 */
export async function showInTerminal(
  watched: Watched,
  {
    out,
    keys,
    signal,
  }: { readonly out: Terminal; readonly keys: ReadStream | undefined; readonly signal: AbortSignal },
): Promise<void> {
  using model = new WatchModel(watched);
  using screen = new TerminalScreen(out, keys);
  const frames = new Frames(model, screen, out);
  using suspension = new Suspension(
    () => {
      screen.leave();
    },
    () => {
      screen.enter();
      frames.drawAll();
    },
  );
  const changes = model.changed$.subscribe({
    next: () => {
      frames.expect();
    },
    // It never errors.
    error: () => undefined,
  });
  const resized = (): void => {
    frames.drawAll();
  };
  let onKey: (text: string | undefined, key: Key) => void = () => undefined;
  try {
    screen.enter();
    frames.drawAll();
    out.on('resize', resized);
    if (keys !== undefined) {
      // Node.js takes the time from this object, and nothing else.
      emitKeypressEvents(keys, { escapeCodeTimeout: ESCAPE_ALONE } as unknown as Interface);
    }
    await new Promise<void>((resolve) => {
      const aborted = (): void => {
        resolve();
      };
      signal.addEventListener('abort', aborted, { once: true });
      if (signal.aborted) {
        resolve();
      }
      onKey = (_text, key) => {
        switch (frames.press(key)) {
          case 'quit':
            resolve();
            break;
          case 'interrupt':
            // As the terminal does, were it not for the raw mode.
            process.kill(0, 'SIGINT');
            break;
          case 'suspend':
            suspension.suspend();
            break;
          case 'redraw':
            frames.drawAll();
            break;
          case undefined:
        }
      };
      keys?.on('keypress', onKey);
    });
  } finally {
    keys?.off('keypress', onKey);
    out.off('resize', resized);
    changes.unsubscribe();
    frames.stop();
  }
}

/** Draws a model on a screen, not more often than an eye can follow. */
class Frames {
  readonly #model: WatchModel;
  readonly #screen: TerminalScreen;
  readonly #out: Terminal;
  #view: View = FIRST_VIEW;
  #shown: Shown = { rows: [], first: 0, page: 1 };
  /** While it is paused. */
  #frozen: WatchState | undefined;
  #drawnAt = -Infinity;
  #next: NodeJS.Timeout | undefined;
  #nextAt = Infinity;

  constructor(model: WatchModel, screen: TerminalScreen, out: Terminal) {
    this.#model = model;
    this.#screen = screen;
    this.#out = out;
  }

  /** Something is to be drawn: now, or a frame after the one before. */
  expect(): void {
    this.#schedule(Math.max(0, this.#drawnAt + FRAME - performance.now()));
  }

  drawAll(): void {
    this.#screen.clear();
    this.#draw();
  }

  /** Returns what is to be done besides. */
  press(key: Key): ReturnType<typeof press>['action'] {
    const { view, action } = press(this.#view, key, this.#shown);
    if (view.isPaused !== this.#view.isPaused) {
      this.#frozen = view.isPaused ? this.#model.state() : undefined;
    }
    this.#view = view;
    this.expect();
    return action;
  }

  stop(): void {
    clearTimeout(this.#next);
    this.#next = undefined;
  }

  #schedule(milliseconds: number): void {
    const at = performance.now() + milliseconds;
    if (at >= this.#nextAt) {
      return;
    }
    clearTimeout(this.#next);
    this.#nextAt = at;
    this.#next = setTimeout(() => {
      this.#draw();
    }, milliseconds);
  }

  #draw(): void {
    clearTimeout(this.#next);
    this.#nextAt = Infinity;
    if (!this.#screen.isEntered) {
      return;
    }
    const { colours, unicode } = terminalOf(this.#out, process.env);
    const { status } = this.#model;
    const state = this.#frozen === undefined ? this.#model.state() : { ...this.#frozen, status };
    const { lines, shown } = drawWatch(state, this.#view, { colours, unicode, ...this.#screen.size });
    this.#shown = shown;
    this.#screen.draw(lines);
    this.#drawnAt = performance.now();
    this.#schedule(SLOWEST_FRAME);
  }
}
