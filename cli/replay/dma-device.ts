import type { MapChange } from '../../streams/index.js';

/** Something that does DMA: a software IOMMU's device, or a real one. */
export interface DmaDevice {
  /** Of the target that it sits behind. */
  readonly name: string;
  /** @throws DmaFault when the address is not mapped */
  read(iova: bigint, length: number): Buffer | Promise<Buffer>;
  /** @throws DmaFault when the address is not mapped, or not for writing */
  write(iova: bigint, data: Uint8Array): void | Promise<void>;
  /** Present when it is a piece of hardware. */
  readonly hardware?: DmaHardware;
}

/** What is different about a real device: it is slow, and of a fault it says nothing: what it cannot write is lost. */
export interface DmaHardware {
  /** `'0000:00:04.0'` */
  readonly address: string;
  /** It is given no more than so many of the mappings, at both ends. */
  readonly mostMappings: number;
  /** Before the first DMA. `mappings` is all that its target holds. */
  start(mappings: readonly MapChange[]): Promise<void>;
  /** After the last. */
  stop(): Promise<void>;
}
