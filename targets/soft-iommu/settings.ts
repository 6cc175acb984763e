import { checkOptions } from '../../streams/internal.js';
import { MemoryRange } from '../../streams/index.js';
import { DEFAULT_APERTURE, defaultReserved, MODELS, type ModelTraits, type SoftIommuModel } from './model.js';

/** Options of a `SoftIommuTarget`. */
export interface SoftIommuTargetOptions {
  /** Name in errors. Default: `'soft'` for `type1v2`, otherwise `'soft:'` and the model. */
  readonly name?: string;
  /**
   * `'type1v2'` (the default) and `'iommufd'` fail with the errnos of these kernel interfaces. `'exact'` requires one unmap for each map,
   * as some vfio-user servers do.
   */
  readonly model?: SoftIommuModel;
  /** Maximum number of mappings, 0 or more. Default: 65,535 for `type1v2`, otherwise no limit. */
  readonly entryLimit?: number;
  /** I/O virtual addresses that can be mapped. Default: [0, 2^48). */
  readonly aperture?: MemoryRange;
  /**
   * I/O virtual addresses that cannot be mapped; an empty array for none. Default: on x86 (`process.arch`) the interrupt window
   * 0xfee00000-0xfef00000, otherwise none.
   */
  readonly reserved?: readonly MemoryRange[];
  /**
   * Error codes by call number (0-based, maps and unmaps counted together). Such a call fails with that code and has no effect. The map is
   * read at each call, so that entries can be added and deleted later. Default: none.
   */
  readonly faults?: ReadonlyMap<number, string>;
}

/** The checked options, with all defaults. */
export interface Settings {
  readonly name: string;
  readonly model: SoftIommuModel;
  readonly traits: ModelTraits;
  /** `undefined` for no limit. */
  readonly entryLimit: number | undefined;
  readonly aperture: MemoryRange;
  readonly reserved: readonly MemoryRange[];
  readonly faults: ReadonlyMap<number, string>;
}

/** @throws TypeError if an option has the wrong type; RangeError if a value is invalid */
export function settingsOf(options: SoftIommuTargetOptions): Settings {
  checkOptions(
    options,
    { name: true, model: true, entryLimit: true, aperture: true, reserved: true, faults: true },
    'SoftIommuTarget',
  );
  const {
    model = 'type1v2',
    aperture = DEFAULT_APERTURE,
    reserved = defaultReserved(process.arch),
    faults = new Map<number, string>(),
  } = options;
  const traits = traitsOf(model);
  const { name = model === 'type1v2' ? 'soft' : `soft:${model}`, entryLimit = traits.entryLimit } = options;
  if (entryLimit !== undefined && !(Number.isInteger(entryLimit) && entryLimit >= 0)) {
    throw new RangeError(`entryLimit ${String(entryLimit)} is not a number of mappings`);
  }
  if (typeof name !== 'string') {
    throw new TypeError('the name of a SoftIommuTarget is a string');
  }
  if (!areRanges([aperture]) || !areRanges(reserved)) {
    throw new TypeError('aperture of a SoftIommuTarget is a MemoryRange, and reserved an array of them');
  }
  if (typeof (faults as Partial<typeof faults> | null)?.get !== 'function') {
    throw new TypeError('faults of a SoftIommuTarget is a Map from the number of a call to a code');
  }
  return { name, model, traits, entryLimit, aperture, reserved: [...reserved], faults };
}

function areRanges(ranges: unknown): boolean {
  return Array.isArray(ranges) && ranges.every((range) => range instanceof MemoryRange);
}

function traitsOf(model: unknown): ModelTraits {
  for (const [name, traits] of Object.entries(MODELS)) {
    if (name === model) {
      return traits;
    }
  }
  throw new RangeError(`model '${String(model)}' is none of ${Object.keys(MODELS).join(', ')}`);
}
