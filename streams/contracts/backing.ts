/** An object with a file descriptor that can be mapped: a memfd, a file, a VFIO device, a dma-buf. */
export interface Mappable {
  /** The file descriptor. @throws when closed */
  readonly fd: number;
  /** Name in messages. */
  readonly label: string;
  /** Length in bytes, if known. A mapping that ends after it is refused with `ERR_BEYOND_FILE`. */
  readonly size?: bigint | number;
}

/** The memory behind a mapping: a part of a file, or private anonymous memory, which is accessible only at its host virtual address. */
export type Backing = FileBacking | 'private';

/** A part of a file. How long it is follows from the mapping. */
export interface FileBacking {
  /** The file. It must be open when the mapping is added, and stay open while a target may map it. */
  readonly mappable: Mappable;
  /** In bytes, page aligned. */
  readonly fileOffset: bigint;
}

/** The memory behind a mapping, as it is given to `addMapping` and `addRam`. */
export type BackingParams = FileBackingParams | 'private';

/** A part of a file, as it is given. */
export interface FileBackingParams extends Omit<FileBacking, 'fileOffset'> {
  /** In bytes, page aligned. */
  readonly fileOffset: bigint | number;
}

/** `'device'` is memory of a device, for example a PCI BAR. A target that cannot map it skips it, and the command succeeds. */
export type MappingType = 'ram' | 'device';
