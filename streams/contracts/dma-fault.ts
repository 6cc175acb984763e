import type { DmaErrorDetails } from './error-details.js';
import { DmaError } from './errors.js';

/**
 * A device accessed an address that is not mapped, or wrote to a read-only mapping.
 *
 * @example
 * ```ts
 * import { DmaFault } from 'dma-streams';
 *
 * function describeFault(error: unknown): string {
 *   return error instanceof DmaFault ? `${error.access} at 0x${error.iova.toString(16)}` : String(error);
 * }
 * ```
 */
export class DmaFault extends DmaError {
  /** `'DmaFault'`. */
  override readonly name: string = 'DmaFault';
  declare readonly code: 'ERR_DMA_FAULT';
  /** I/O virtual address of the first byte that cannot be accessed. */
  readonly iova: bigint;
  /** What the device did. */
  readonly access: 'read' | 'write';

  /** For devices of one's own. @param iova of the first byte that cannot be accessed */
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
