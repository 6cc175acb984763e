import type { Pages, WireMapping, WireRegion, WireTarget } from '../../../wire/messages.js';
import type { Band } from '../../model/bands.js';
import type { Highlight } from '../../model/highlights.js';
import type { Lanes } from '../../model/lanes.js';
import type { Picture } from '../../model/picture.js';
import type { Scale } from '../../model/scale.js';
import type { State } from '../../model/state.js';

/** All that is drawn. Two scenes of equal parts look the same. */
export interface Scene {
  readonly state: State;
  readonly picture: Picture;
  readonly scale: Scale;
  readonly lanes: Lanes;
  /** Those that have a lane. */
  readonly targets: readonly WireTarget[];
  readonly selected: Pages | undefined;
  readonly highlights: readonly Highlight[];
}

/** What was drawn where, in device pixels: to find what is under the pointer. */
export interface Painted {
  readonly guest: readonly Band<WireMapping>[];
  readonly levels: readonly (readonly Band<WireRegion>[])[];
}
