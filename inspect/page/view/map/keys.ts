import { fitted, type Scale } from '../../model/scale.js';
import type { Store } from '../store.js';

/** Handles a key that is pressed on the drawing. */
export function onKey(event: KeyboardEvent, store: Store, scale: Scale): void {
  if (event.ctrlKey || event.metaKey || event.altKey) {
    return;
  }
  const { bounds } = store;
  const moves: Readonly<Record<string, () => void>> = {
    ArrowUp: () => store.set({ chosen: scale.panned(-0.1, bounds) }),
    ArrowDown: () => store.set({ chosen: scale.panned(0.1, bounds) }),
    PageUp: () => store.set({ chosen: scale.panned(-0.9, bounds) }),
    PageDown: () => store.set({ chosen: scale.panned(0.9, bounds) }),
    '+': () => store.zoom(1.5),
    '=': () => store.zoom(1.5),
    '-': () => store.zoom(1 / 1.5),
    Home: () => store.set({ chosen: scale.panned(-Number.MAX_SAFE_INTEGER, bounds) }),
    End: () => store.set({ chosen: scale.panned(Number.MAX_SAFE_INTEGER, bounds) }),
    n: () => store.goToMapping(1),
    p: () => store.goToMapping(-1),
    f: () => store.set({ chosen: undefined }),
    Enter: () => {
      if (store.selection !== undefined) {
        store.set({ chosen: fitted(store.selection.pages, store.fold, bounds) });
      }
    },
    Escape: () => store.set({ selection: undefined }),
  };
  const move = moves[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (move !== undefined) {
    event.preventDefault();
    move();
  }
}
