import type { MemoryRange } from '../ranges/memory-range.js';

/** Properties of a `DmaError`. All except `code` are optional. */
export interface DmaErrorDetails {
  /** The name of a kernel error (`'ENOMEM'`), or a code of this library (`'ERR_…'`). */
  readonly code: string;
  /** Default: derived from `code`. */
  readonly errno?: number | undefined;
  /** `'ioctl'`, `'mmap'`, … */
  readonly syscall?: string | undefined;
  /** The request of an `ioctl`: `'VFIO_IOMMU_MAP_DMA'`. */
  readonly request?: string | undefined;
  /** Name of the target. */
  readonly target?: string | undefined;
  /** Name of the region. */
  readonly region?: string | undefined;
  /** Guest physical addresses. */
  readonly range?: MemoryRange | undefined;
  /** How to avoid or repair the failure. */
  readonly hint?: string | undefined;
  /** The error that led to this one. */
  readonly cause?: unknown;
}

/** Adds to the message the details that it does not mention. */
export function completeMessage(message: string, details: DmaErrorDetails): string {
  const { code, syscall, request, range, region, target } = details;
  const call = [syscall, request].filter((word) => word !== undefined && !message.includes(word)).join(' ');
  const where = range !== undefined && !message.includes(range.toString()) ? range.toString() : '';
  const isNamed = (name: string): boolean => message.includes(`"${name}"`) || message.includes(`'${name}'`);
  const names = [
    region === undefined || isNamed(region) ? '' : `region "${region}"`,
    target === undefined || isNamed(target) ? '' : `target "${target}"`,
  ].filter((word) => word !== '');
  const callAndRange = [call, where].filter((word) => word !== '').join(' ');
  return (
    (message.startsWith(`${code}: `) ? message : `${code}: ${message}`) +
    (callAndRange === '' ? '' : `, ${callAndRange}`) +
    (names.length === 0 ? '' : ` (${names.join(', ')})`)
  );
}
