import { attachScenes } from './attaching.js';
import { changeScenes } from './changes.js';
import { inspectScenes } from './inspected.js';
import { regionScenes } from './many-regions.js';
import { pieceScenes } from './many-pieces.js';
import type { Scene } from './scene.js';
import { severalScenes } from './several.js';

/** All situations in which much is done at once. The specs count the work between two turns of the event loop in each of them. */
export const stallScenes: readonly Scene[] = [
  ...changeScenes,
  ...attachScenes,
  ...severalScenes,
  ...regionScenes,
  ...pieceScenes,
  ...inspectScenes,
];
