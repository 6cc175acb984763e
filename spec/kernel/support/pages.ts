import { AddressSpace, Memfd } from '../../../binding/index.js';
import { MemoryRange, type DmaMapRequest } from '../../../streams/index.js';

const START = 0x100;

/** Pages, counted from 1 MiB on. */
export function page(number: number, count = 1): MemoryRange {
  return MemoryRange.ofPages(START + number, START + number + count);
}

/** A file at the addresses from 1 MiB on, as a target is asked to map parts of it. */
export class Pages implements Disposable {
  readonly space = new AddressSpace({ size: 1n << 40n });
  readonly memfd = Memfd.create('pages', 16n << 20n);

  request(range: MemoryRange, more: Partial<DmaMapRequest> = {}): DmaMapRequest {
    const backing = { mappable: this.memfd, fileOffset: range.start - page(0).start };
    const what = { range, region: 'ram', type: 'ram', writable: true } as const;
    const hostVa = this.space.ensureMapped({ ...what, backing });
    return { ...what, ...backing, hostVa, ...more };
  }

  text(range: MemoryRange, length: number): string {
    return this.space.read(range.start, length).toString();
  }

  [Symbol.dispose](): void {
    this.space.close();
    this.memfd.close();
  }
}
