import { errnoOf } from './errno.js';
import type { DmaErrorCode } from './error-codes.js';
import type { MemoryRange } from '../ranges/memory-range.js';

/** A range at a target, by the target's name. */
export interface TargetRange {
  readonly target: string;
  readonly range: MemoryRange;
}

/** What is known of a failure. Everything but `code` may be left out. */
export interface DmaErrorDetails {
  /** `'ENOMEM'` for an error of the kernel, `'ERR_…'` for one of this library. */
  readonly code: string;
  /** Derived from `code` when left out. */
  readonly errno?: number | undefined;
  /** `'ioctl'`, `'mmap'`, … */
  readonly syscall?: string | undefined;
  /** The request of an `ioctl`: `'VFIO_IOMMU_MAP_DMA'`. */
  readonly request?: string | undefined;
  readonly target?: string | undefined;
  readonly region?: string | undefined;
  readonly range?: MemoryRange | undefined;
  /** What to do next. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

/**
 * The error of everything that touches DMA mappings, shaped like Node's own system errors. The other error classes of this library extend it.
 *
 * The message reads `CODE: what happened, syscall request 0x1000-0x2000 (region "ram", target "vfio")`.
 */
export class DmaError extends Error {
  override readonly name: string = 'DmaError';
  /** `'ENOMEM'` for an error of the kernel, `'ERR_…'` for one of this library (see `DmaErrorCode`); of a target of your own, any. */
  readonly code: DmaErrorCode | (string & Record<never, never>);
  /** Negative, as in Node's system errors; 0 where the kernel has no number for it (`ERR_…`). */
  readonly errno: number;
  declare readonly syscall?: string;
  declare readonly request?: string;
  declare readonly target?: string;
  declare readonly region?: string;
  declare readonly range?: MemoryRange;
  declare readonly hint?: string;

  constructor(message: string, details: DmaErrorDetails) {
    super(describe(message, details), 'cause' in details ? { cause: details.cause } : undefined);
    this.code = details.code;
    this.errno = details.errno ?? 0 - (errnoOf(details.code) ?? 0);
    for (const key of ['syscall', 'request', 'target', 'region', 'range', 'hint'] as const) {
      if (details[key] !== undefined) {
        Object.defineProperty(this, key, { value: details[key], enumerable: true });
      }
    }
  }
}

/** What became of a command that failed. */
export interface Aftermath {
  /** Maps that were taken back. */
  readonly undone?: readonly TargetRange[] | undefined;
  /** What could not be put back: the target should hold it and does not. */
  readonly missing?: readonly TargetRange[] | undefined;
  /** What could not be taken away: the target still holds it and should not. */
  readonly stuck?: readonly TargetRange[] | undefined;
}

/**
 * A map failed, and its whole command was undone at every target. `cause` is the target's own error.
 *
 * Left behind: nothing, unless `missing` or `stuck` name it.
 */
export class DmaMapError extends DmaError {
  override readonly name: string = 'DmaMapError';
  /** Maps of this command that were taken back, in the order in which they were. */
  readonly undone: readonly TargetRange[];
  /** What was mapped before the command and could not be put back. `Attachment.heal()` tries again. */
  readonly missing: readonly TargetRange[];
  /**
   * What the undo could not unmap; for `ERR_RANGE_STUCK` also what is in the way, at whatever target. `Attachment.retryStuck()` and
   * `Attachment.heal()` try again.
   */
  readonly stuck: readonly TargetRange[];

  constructor(message: string, details: DmaErrorDetails, aftermath: Aftermath = {}) {
    super(message, details);
    this.undone = aftermath.undone ?? [];
    this.missing = aftermath.missing ?? [];
    this.stuck = aftermath.stuck ?? [];
  }
}

/** The command took effect, but at least one target could not unmap: those ranges stay in its ledger as stuck. */
export class DmaUnmapError extends DmaError {
  override readonly name: string = 'DmaUnmapError';
  /** What could not be unmapped, or not yet (`ERR_TARGET_PENDING`), where. Its VA and its backing stay alive until `Attachment.retryStuck()` has cleared it. */
  readonly stuck: readonly TargetRange[];

  constructor(message: string, details: DmaErrorDetails, aftermath: Aftermath = {}) {
    super(message, details);
    this.stuck = aftermath.stuck ?? [];
  }
}

/** Two regions overlap in a way that leaves neither of them whole. Nothing was added. */
export class RegionOverlapError extends DmaError {
  override readonly name: string = 'RegionOverlapError';
  declare readonly code: 'ERR_REGION_OVERLAP';
  /** The region that was to be added. */
  declare readonly region: string;
  /** The region in the way. */
  readonly existing: string;

  /** @param details `range`: that of the region that was to be added; `hint`: how to cut the regions */
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

/** A device touched an address that is not mapped, or wrote through a read-only mapping. Nothing was read or written. */
export class DmaFault extends DmaError {
  override readonly name: string = 'DmaFault';
  declare readonly code: 'ERR_DMA_FAULT';
  /** The first byte that faulted. */
  readonly iova: bigint;
  readonly access: 'read' | 'write';

  constructor(
    message: string,
    iova: bigint,
    access: 'read' | 'write',
    details: Pick<DmaErrorDetails, 'target' | 'hint'> = {},
  ) {
    super(message, { ...details, code: 'ERR_DMA_FAULT' });
    this.iova = iova;
    this.access = access;
  }
}

/**
 * Makes a `DmaError` of whatever a target, a VA mapper or an operator threw.
 *
 * A `DmaError` is handed on as it is. Of any other error `code`, `errno` and `syscall` are kept, and it is the `cause`; what has
 * no code gets `fallbackCode`.
 */
export function toDmaError(
  thrown: unknown,
  context: Omit<DmaErrorDetails, 'code'> & { readonly fallbackCode: string },
): DmaError {
  if (thrown instanceof DmaError) {
    return thrown;
  }
  const { fallbackCode, ...known } = context;
  const source = read(thrown);
  const message =
    typeof source.message === 'string' && source.message !== ''
      ? source.message
      : typeof thrown === 'string'
        ? thrown
        : text(thrown);
  return new DmaError(message, {
    ...known,
    code: typeof source.code === 'string' ? source.code : fallbackCode,
    errno: typeof source.errno === 'number' ? -Math.abs(source.errno) : undefined,
    syscall: known.syscall ?? (typeof source.syscall === 'string' ? source.syscall : undefined),
    cause: thrown,
  });
}

/** The error itself where it names target, region and range; else one that does, with it as the `cause`. */
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

/** The message without the code that it begins with. */
export function withoutCode({ code, message }: DmaError): string {
  return message.startsWith(`${code}: `) ? message.slice(code.length + 2) : message;
}

function describe(message: string, details: DmaErrorDetails): string {
  const { code, syscall, request, range, region, target } = details;
  const call = [syscall, request].filter((word) => word !== undefined && !message.includes(word)).join(' ');
  const where = range !== undefined && !message.includes(range.toString()) ? range.toString() : '';
  const whom = [
    region === undefined || message.includes(`"${region}"`) ? '' : `region "${region}"`,
    target === undefined || message.includes(`"${target}"`) ? '' : `target "${target}"`,
  ].filter((word) => word !== '');
  const tail = [call, where].filter((word) => word !== '').join(' ');
  return (
    (message.startsWith(`${code}: `) ? message : `${code}: ${message}`) +
    (tail === '' ? '' : `, ${tail}`) +
    (whom.length === 0 ? '' : ` (${whom.join(', ')})`)
  );
}

/** What can be read of something that was thrown, which may be anything, also something that throws when it is looked at. */
function read(thrown: unknown): {
  readonly message?: unknown;
  readonly code?: unknown;
  readonly errno?: unknown;
  readonly syscall?: unknown;
} {
  try {
    if (!isRecord(thrown)) {
      return {};
    }
    const { message, code, errno, syscall } = thrown;
    return { message, code, errno, syscall };
  } catch {
    return {};
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

function text(value: unknown): string {
  try {
    return `something that is not an error was thrown: ${String(value)}`;
  } catch {
    return 'something that is not an error, and has no text, was thrown';
  }
}
