import { errorToJson } from './error-json.js';
import { errnoOf } from './errno.js';
import type { DmaErrorCode } from './error-codes.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { completeMessage, type DmaErrorDetails } from './error-details.js';
import { errorProperties, textOf } from './thrown-value.js';

/** A range at a target. */
export interface TargetRange {
  /** Name of the target. */
  readonly target: string;
  /** Guest physical addresses. */
  readonly range: MemoryRange;
}

/**
 * The base class of the errors of this library, with the properties of a system error of Node.js. Invalid arguments are reported as
 * `TypeError` or `RangeError` instead.
 *
 * The message has the form `CODE: what happened, syscall request 0x1000-0x2000 (region "ram", target "vfio")`. Properties that are
 * `undefined` in the details are absent.
 *
 * @example
 * ```ts
 * import { DmaError, MemoryRange, type DmaTarget } from 'dma-streams';
 *
 * const limit = MemoryRange.of(0x0, 0x1000_0000);
 * const target: DmaTarget = {
 *   name: 'small device',
 *   mapDma({ range }) {
 *     if (!limit.contains(range)) {
 *       throw new DmaError('the device has 28 address bits', { code: 'ERANGE', target: 'small device', range });
 *     }
 *   },
 *   unmapDma() {},
 * };
 * ```
 */
export class DmaError extends Error {
  /** `'DmaError'`, or the name of the subclass. */
  override readonly name: string = 'DmaError';
  /** The name of a kernel error (`'ENOMEM'`), or a code of this library (`'ERR_…'`): see `DmaErrorCode`. Custom targets may use any other string. */
  readonly code: DmaErrorCode | (string & Record<never, never>);
  /** Negative, as in system errors of Node.js. 0 if the kernel has no number for the code (`ERR_…`). */
  readonly errno: number;
  /** The system call that failed: `'ioctl'`, `'mmap'`, … */
  declare readonly syscall?: string;
  /** The request of an `ioctl`: `'VFIO_IOMMU_MAP_DMA'`. */
  declare readonly request?: string;
  /** Name of the target. */
  declare readonly target?: string;
  /** Name of the region. */
  declare readonly region?: string;
  /** Guest physical addresses, or offsets in the region where the message says so. */
  declare readonly range?: MemoryRange;
  /** What to do about it. */
  declare readonly hint?: string;

  /** For targets of one's own. @param message without the code; what the details have, and the message does not mention, is added to it */
  constructor(message: string, details: DmaErrorDetails) {
    super(completeMessage(message, details), 'cause' in details ? { cause: details.cause } : undefined);
    this.code = details.code;
    this.errno = details.errno ?? 0 - (errnoOf(details.code) ?? 0);
    for (const key of ['syscall', 'request', 'target', 'region', 'range', 'hint'] as const) {
      if (details[key] !== undefined) {
        Object.defineProperty(this, key, { value: details[key], enumerable: true });
      }
    }
  }

  /** Name, message, all other properties, and the causes; without the stack. */
  toJSON(): Record<string, unknown> {
    return errorToJson(this);
  }
}

/** What a failed command left behind. */
export interface Aftermath {
  /** Maps that were unmapped again. */
  readonly undone?: readonly TargetRange[] | undefined;
  /** Maps that could not be restored: the target should have them, but does not. */
  readonly missing?: readonly TargetRange[] | undefined;
  /** Maps that could not be unmapped: the target still has them, but should not. */
  readonly stuck?: readonly TargetRange[] | undefined;
}

/**
 * A map failed, and the whole command was undone at every target. `cause` is the error of the target.
 *
 * Left behind: nothing, except for the ranges in `missing` and `stuck`.
 *
 * @example
 * ```ts
 * import { DmaMapError, type Region } from 'dma-streams';
 *
 * async function show(region: Region): Promise<void> {
 *   try {
 *     await region.map({ writable: true });
 *   } catch (error) {
 *     if (!(error instanceof DmaMapError)) {
 *       throw error;
 *     }
 *     console.error(error.message, error.hint, error.missing, error.stuck);
 *   }
 * }
 * ```
 */
export class DmaMapError extends DmaError {
  /** `'DmaMapError'`. */
  override readonly name: string = 'DmaMapError';
  /** Maps of this command that were unmapped again, in the order of these unmaps. */
  readonly undone: readonly TargetRange[];
  /** Maps that existed before the command and could not be restored. `Attachment.heal()` tries again. */
  readonly missing: readonly TargetRange[];
  /**
   * Maps that the undo could not unmap. For `ERR_RANGE_STUCK` also the maps that were stuck before, at any target, and prevent the command.
   * `Attachment.retryStuck()` and `Attachment.heal()` try again.
   */
  readonly stuck: readonly TargetRange[];

  /** For fakes in tests. @param aftermath what the command left behind. Default: nothing */
  constructor(message: string, details: DmaErrorDetails, aftermath: Aftermath = {}) {
    super(message, details);
    this.undone = aftermath.undone ?? [];
    this.missing = aftermath.missing ?? [];
    this.stuck = aftermath.stuck ?? [];
  }
}

/**
 * An unmap failed. The command took effect, and the ranges in `stuck` stay in the ledgers of their targets as stuck.
 *
 * @example
 * ```ts
 * import { DmaUnmapError, type Attachment, type Region } from 'dma-streams';
 *
 * async function remove(region: Region, attachment: Attachment): Promise<void> {
 *   try {
 *     await region.remove();
 *   } catch (error) {
 *     if (!(error instanceof DmaUnmapError)) {
 *       throw error;
 *     }
 *     await attachment.retryStuck();
 *   }
 * }
 * ```
 */
export class DmaUnmapError extends DmaError {
  /** `'DmaUnmapError'`. */
  override readonly name: string = 'DmaUnmapError';
  /**
   * Ranges that could not be unmapped, or that are not unmapped yet (`ERR_TARGET_PENDING`). Their VAs and files stay open until
   * `Attachment.retryStuck()` succeeds.
   */
  readonly stuck: readonly TargetRange[];

  /** For fakes in tests. @param aftermath what the command left behind. Default: nothing */
  constructor(message: string, details: DmaErrorDetails, aftermath: Aftermath = {}) {
    super(message, details);
    this.stuck = aftermath.stuck ?? [];
  }
}

/**
 * A new region overlaps an existing one, and neither contains the other at a higher priority. Regions of the same priority may overlap only if
 * they have the same range.
 *
 * Left behind: nothing; the region was not added.
 *
 * @example
 * ```ts
 * import { MemoryRange, RegionManager, RegionOverlapError } from 'dma-streams';
 *
 * const manager = new RegionManager();
 * await manager.addRegion({ name: 'ram', range: MemoryRange.of(0x0, 0x8000), type: 'ram' });
 * try {
 *   await manager.addRegion({ name: 'bar', range: MemoryRange.of(0x4000, 0xc000), type: 'device' });
 * } catch (error) {
 *   if (!(error instanceof RegionOverlapError)) {
 *     throw error;
 *   }
 *   console.error(error.existing); // ram
 *   console.error(error.hint); // how to divide the regions
 * }
 * ```
 */
export class RegionOverlapError extends DmaError {
  /** `'RegionOverlapError'`. */
  override readonly name: string = 'RegionOverlapError';
  declare readonly code: 'ERR_REGION_OVERLAP';
  /** Name of the region that was not added. */
  declare readonly region: string;
  /** Name of the region that it overlaps. */
  readonly existing: string;

  /** @param details `range`: the range of the region that was not added; `hint`: how to divide the regions */
  constructor(
    message: string,
    region: string,
    existing: string,
    details: Pick<DmaErrorDetails, 'range' | 'hint'> = {},
  ) {
    super(message, { ...details, code: 'ERR_REGION_OVERLAP', region });
    this.existing = existing;
  }
}

/**
 * Converts a value that a target, a VA mapper or an operator threw to a `DmaError`.
 *
 * A `DmaError` is returned unchanged. For any other value, the new error has its `code`, `errno` and `syscall`, and the value as `cause`.
 * A value without a code gets `fallbackCode`.
 */
export function toDmaError(
  thrown: unknown,
  context: Omit<DmaErrorDetails, 'code'> & { readonly fallbackCode: string },
): DmaError {
  if (thrown instanceof DmaError) {
    return thrown;
  }
  const { fallbackCode, ...known } = context;
  const source = errorProperties(thrown);
  const message =
    typeof source.message === 'string' && source.message !== ''
      ? source.message
      : typeof thrown === 'string'
        ? thrown
        : textOf(thrown);
  return new DmaError(message, {
    ...known,
    code: typeof source.code === 'string' ? source.code : fallbackCode,
    errno: typeof source.errno === 'number' ? -Math.abs(source.errno) : undefined,
    syscall: known.syscall ?? (typeof source.syscall === 'string' ? source.syscall : undefined),
    cause: thrown,
  });
}

/** Returns the error itself if it has target, region and range; otherwise a copy that has them, with the error as `cause`. */
export function withContext(
  error: DmaError,
  context: { readonly target: string; readonly region: string; readonly range: MemoryRange },
): DmaError {
  if (error.target !== undefined && error.region !== undefined && error.range !== undefined) {
    return error;
  }
  const { code, errno, syscall, request, hint } = error;
  return new DmaError(withoutCode(error), {
    code,
    errno,
    syscall,
    request,
    hint,
    target: error.target ?? context.target,
    region: error.region ?? context.region,
    range: error.range ?? context.range,
    cause: error,
  });
}

/** The message without the code at its start. */
export function withoutCode({ code, message }: DmaError): string {
  return message.startsWith(`${code}: `) ? message.slice(code.length + 2) : message;
}
