import { AddressSpace, RamBlocks } from '../../../binding/index.js';

/** The classes that map guest memory into this process: what one spec says of both. */
export interface Mapper {
  readonly name: 'AddressSpace' | 'RamBlocks';
  make(): AddressSpace | RamBlocks;
  /** The same, for programs given as text. */
  readonly source: string;
}

export const MAPPERS: readonly Mapper[] = [
  {
    name: 'AddressSpace',
    make: () => new AddressSpace({ size: 1n << 40n }),
    source: 'new (await import(BINDING)).AddressSpace({ size: 1n << 40n })',
  },
  { name: 'RamBlocks', make: () => new RamBlocks(), source: 'new (await import(BINDING)).RamBlocks()' },
];
