import type { DmaTarget } from '../../streams/index.js';
import type { DmaDevice } from './dma-device.js';

export interface CreatedTarget {
  readonly target: DmaTarget;
  /** What can do DMA behind it, for the check at the end. */
  readonly device?: DmaDevice;
  /** Gives back what was opened for it: when it is attached no more. */
  readonly close?: () => void;
}
