import { MemoryRange } from '../../streams/index.js';
import type { SoftIommuTargetOptions } from '../../targets/index.js';
import { messageOf } from '../errors.js';

export type SoftIommuModel = NonNullable<SoftIommuTargetOptions['model']>;

/** What `soft[:MODEL][,SETTING]…` asks of a software IOMMU. */
export interface SoftOptions {
  readonly model: SoftIommuModel;
  readonly aperture?: MemoryRange;
  readonly reserved?: readonly MemoryRange[];
  readonly entryLimit?: number;
}

const MODELS: readonly SoftIommuModel[] = ['type1v2', 'iommufd', 'exact'];

const SETTINGS = 'the settings are aperture=A-B, reserved=A-B (or reserved=none) and entries=N';

/**
 * Reads the model and the settings, in any order: `iommufd,reserved=0x1000-0x2000,entries=10`.
 *
 * @param text what follows `soft:`, or `soft,`; without a model, that is `type1v2`
 * @throws RangeError saying which part is wrong, and what can be given
 */
export function parseSoftOptions(text: string): SoftOptions {
  const [first = '', ...rest] = text.split(',');
  const hasModel = !first.includes('=');
  const model = hasModel ? modelOf(first) : 'type1v2';
  const reserved: MemoryRange[] = [];
  const settings: { aperture?: MemoryRange; reserved?: readonly MemoryRange[]; entryLimit?: number } = {};
  for (const part of hasModel ? rest : [first, ...rest]) {
    const [key, value] = split(part);
    switch (key) {
      case 'aperture':
        refuseSecond(settings.aperture, part);
        settings.aperture = rangeOf(value);
        break;
      case 'reserved':
        if (settings.reserved !== undefined && (value === 'none' || reserved.length === 0)) {
          throw new RangeError('"reserved" is "none" or ranges, not both');
        }
        if (value !== 'none') {
          reserved.push(rangeOf(value));
        }
        settings.reserved = reserved;
        break;
      case 'entries':
        refuseSecond(settings.entryLimit, part);
        settings.entryLimit = countOf(value);
        break;
      default:
        throw new RangeError(`there is no setting ${JSON.stringify(part)} of the software IOMMU: ${SETTINGS}`);
    }
  }
  return { model, ...settings };
}

function modelOf(text: string): SoftIommuModel {
  const model = MODELS.find((one) => one === text);
  if (model === undefined) {
    throw new RangeError(
      `there is no model ${JSON.stringify(text)} of the software IOMMU: the models are ${MODELS.join(', ')}`,
    );
  }
  return model;
}

function split(part: string): readonly [key: string, value: string] {
  const equals = part.indexOf('=');
  return equals === -1 ? [part, ''] : [part.slice(0, equals), part.slice(equals + 1)];
}

function refuseSecond(earlier: unknown, part: string): void {
  if (earlier !== undefined) {
    throw new RangeError(`${JSON.stringify(part)} is the second of its kind: give it once`);
  }
}

function rangeOf(value: string): MemoryRange {
  try {
    return MemoryRange.parse(value);
  } catch (error) {
    throw new RangeError(messageOf(error), { cause: error });
  }
}

function countOf(value: string): number {
  const count = Number(value);
  if (!/^[0-9]+$/.test(value) || !Number.isSafeInteger(count)) {
    throw new RangeError(
      `entries ${JSON.stringify(value)} is not a number of mappings: give a whole number, 0 or more`,
    );
  }
  return count;
}
