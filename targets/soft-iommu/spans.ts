import { pagesOfBytes } from '../../streams/internal.js';
import { DmaFault, type DmaMapRequest } from '../../streams/index.js';
import type { Entries } from './entries.js';

/** The part of an access that is in one mapping. */
export interface Span {
  readonly request: DmaMapRequest;
  /** Bytes into the mapping. */
  readonly offset: bigint;
  /** Bytes into the access. */
  readonly from: number;
  readonly to: number;
}

/** A read or write of contiguous bytes by a device. */
export interface Access {
  readonly kind: 'read' | 'write';
  readonly iova: bigint;
  /** In bytes. */
  readonly length: number;
}

/**
 * Checks the permissions of the whole access, and returns its parts, ascending, one for each mapping.
 *
 * @param target name of the IOMMU, for messages
 * @throws DmaFault if a byte is not mapped, or not writable; the error has its address
 * @throws RangeError if the access is not inside [0, 2^64)
 */
export function spansOf(entries: Entries, access: Access, target: string): Span[] {
  const { kind, iova, length } = access;
  if (length === 0) {
    return [];
  }
  const end = iova + BigInt(length);
  if (iova < 0n || end > 1n << 64n) {
    throw new RangeError(`the access reaches out of [0, 2^64): 0x${iova.toString(16)}, ${length} bytes`);
  }
  const spans: Span[] = [];
  let next = iova;
  for (const { range, request } of entries.overlapping(pagesOfBytes(iova, end))) {
    if (range.start > next || (kind === 'write' && !request.writable)) {
      break;
    }
    const to = range.end < end ? range.end : end;
    spans.push({ request, offset: next - range.start, from: Number(next - iova), to: Number(to - iova) });
    next = to;
  }
  if (next < end) {
    throw faultAt(next, kind, entries, target);
  }
  return spans;
}

function faultAt(iova: bigint, kind: 'read' | 'write', entries: Entries, target: string): DmaFault {
  const entry = entries.firstOverlap(pagesOfBytes(iova, iova + 1n));
  const why =
    entry === undefined
      ? 'nothing is mapped there'
      : `${entry.range.toString()} of region "${entry.request.region}" is read-only`;
  return new DmaFault(`DMA ${kind} at 0x${iova.toString(16)} by a device of "${target}": ${why}`, iova, kind, {
    target,
  });
}
