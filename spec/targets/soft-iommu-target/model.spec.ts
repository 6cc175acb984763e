import { expect } from 'chai';
import fc from 'fast-check';
import { readSync } from 'node:fs';
import { Memfd } from '../../../binding/index.js';
import { DmaError, DmaFault, MemoryRange } from '../../../streams/index.js';
import { SoftIommuTarget, type SoftIommuModel } from '../../../targets/index.js';
import { ALL_MODELS, request } from '../support/requests.js';

const PAGES = 24;
const LIMIT = 6;
const PAGE_BYTES = 4096;
const RESERVED = { first: 9, end: 11 };
/** Pages from here are above the aperture. */
const APERTURE_END = 22;

interface Mapped {
  readonly first: number;
  readonly end: number;
  readonly filePage: number;
  readonly writable: boolean;
}

/**
 * The same IOMMU, too simple to be wrong: for each page of the address space the mapping that it is part of, and for each page of
 * the file the byte that all of it is filled with.
 */
class ArrayOfPages {
  readonly pages: (Mapped | undefined)[] = Array.from({ length: PAGES }, () => undefined);
  readonly file: number[] = Array.from({ length: PAGES }, () => 0);
  readonly model: SoftIommuModel;

  constructor(model: SoftIommuModel) {
    this.model = model;
  }

  held(): string[] {
    return this.mappings().map(({ first, end }) => MemoryRange.ofPages(first, end).toString());
  }

  mappings(first = 0, end = PAGES): Mapped[] {
    return [...new Set(this.pages.slice(first, end))].filter((mapped) => mapped !== undefined);
  }

  /** The code that it fails with. */
  map(mapped: Mapped): string | undefined {
    const { first, end, filePage, writable } = mapped;
    const [other] = this.mappings(first, end);
    const isSame =
      other?.first === first && other.end === end && other.filePage === filePage && other.writable === writable;
    const isReserved = (first < RESERVED.end && end > RESERVED.first) || end > APERTURE_END;
    const isFull = this.mappings().length >= LIMIT;
    const refusals = {
      type1v2: [other && 'EEXIST', isFull && 'ENOSPC', isReserved && 'EINVAL'],
      iommufd: [isReserved && 'EINVAL', other && 'EEXIST', isFull && 'ENOSPC'],
      exact: [isReserved && 'EINVAL', isSame && 'same', other && 'EINVAL', isFull && 'ENOSPC'],
    }[this.model];
    const code = [...refusals, filePage + end - first > PAGES && 'EFAULT'].find(
      (refusal) => typeof refusal === 'string',
    );
    if (code === undefined) {
      this.pages.fill(mapped, first, end);
    }
    return code === 'same' ? undefined : code;
  }

  unmap(first: number, end: number): string | undefined {
    const found = this.mappings(first, end);
    const cut = found.findIndex((mapped) => mapped.first < first || mapped.end > end);
    const refused = {
      type1v2: cut >= 0 && 'EINVAL',
      iommufd: (cut >= 0 || found.length === 0) && 'ENOENT',
      exact: !(found[0]?.first === first && found[0].end === end) && 'ENOENT',
    }[this.model];
    if (refused === false) {
      this.clear(found);
      return undefined;
    }
    if (this.model === 'iommufd') {
      this.clear(found.slice(0, cut));
    }
    return refused;
  }

  clear(mappings: readonly Mapped[]): void {
    for (const { first, end } of mappings) {
      this.pages.fill(undefined, first, end);
    }
  }

  /** The page at which an access to whole pages faults. */
  faultAt(first: number, end: number, access: 'read' | 'write'): number | undefined {
    for (let page = first; page < end; page++) {
      if (this.pages[page] === undefined || (access === 'write' && this.pages[page]?.writable === false)) {
        return page;
      }
    }
    return undefined;
  }

  filePageOf(page: number): number {
    const mapped = this.pages[page];
    return mapped === undefined ? -1 : mapped.filePage + page - mapped.first;
  }

  /** What reading whole pages gives, a byte for each. */
  read(first: number, end: number): number[] {
    return Array.from({ length: end - first }, (_, index) => this.file[this.filePageOf(first + index)] ?? -1);
  }

  /** Fills each page with a byte, in ascending order. */
  write(first: number, end: number, byte: number): void {
    for (let page = first; page < end; page++) {
      this.file[this.filePageOf(page)] = byte + page - first;
    }
  }
}

type Step =
  | { readonly kind: 'map'; readonly mapped: Mapped }
  | { readonly kind: 'unmap'; readonly first: number; readonly end: number }
  | { readonly kind: 'read'; readonly first: number; readonly end: number }
  | { readonly kind: 'write'; readonly first: number; readonly end: number; readonly byte: number };

const pages = fc
  .tuple(fc.integer({ min: 0, max: PAGES - 1 }), fc.integer({ min: 1, max: 6 }))
  .map(([first, count]) => ({ first, end: Math.min(first + count, PAGES) }));

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc
        .tuple(pages, fc.integer({ min: 0, max: PAGES - 1 }), fc.boolean())
        .map(([at, filePage, writable]) => ({ kind: 'map' as const, mapped: { ...at, filePage, writable } })),
    },
    { weight: 2, arbitrary: pages.map((at) => ({ kind: 'unmap' as const, ...at })) },
    { weight: 1, arbitrary: pages.map((at) => ({ kind: 'read' as const, ...at })) },
    {
      weight: 2,
      arbitrary: fc
        .tuple(pages, fc.integer({ min: 1, max: 200 }))
        .map(([at, byte]) => ({ kind: 'write' as const, ...at, byte })),
    },
  ),
  { maxLength: 40 },
);

function codeOf(work: () => void): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    expect(error).to.be.instanceOf(DmaError);
    return (error as DmaError).code;
  }
}

/** The page at which `work` faults. */
function faultPageOf(work: () => void): number | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    expect(error).to.be.instanceOf(DmaFault);
    return Number((error as DmaFault).iova) / PAGE_BYTES;
  }
}

function firstBytesOfPages(bytes: Buffer): number[] {
  return Array.from({ length: bytes.length / PAGE_BYTES }, (_, page) => bytes[page * PAGE_BYTES] ?? -1);
}

function filled(count: number, byte: number): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, index) => Buffer.alloc(PAGE_BYTES, byte + index)));
}

function perform(step: Step, target: SoftIommuTarget, simple: ArrayOfPages, memfd: Memfd): void {
  if (step.kind === 'map') {
    const { first, end, filePage, writable } = step.mapped;
    const fileOffset = BigInt(filePage * PAGE_BYTES);
    const map = request(MemoryRange.ofPages(first, end), { mappable: memfd, fileOffset, writable });
    expect(codeOf(() => target.mapDma(map))).to.equal(simple.map(step.mapped));
    return;
  }
  const { first, end } = step;
  const iova = BigInt(first * PAGE_BYTES);
  if (step.kind === 'unmap') {
    expect(codeOf(() => target.unmapDma(MemoryRange.ofPages(first, end)))).to.equal(simple.unmap(first, end));
    return;
  }
  const fault = simple.faultAt(first, end, step.kind);
  if (step.kind === 'read') {
    let bytes: Buffer = Buffer.alloc(0);
    const faultPage = faultPageOf(() => (bytes = target.read(iova, (end - first) * PAGE_BYTES)));
    expect(faultPage).to.equal(fault);
    expect(firstBytesOfPages(bytes)).to.deep.equal(fault === undefined ? simple.read(first, end) : []);
    return;
  }
  expect(faultPageOf(() => target.write(iova, filled(end - first, step.byte)))).to.equal(fault);
  if (fault === undefined) {
    simple.write(first, end, step.byte);
  }
}

for (const model of ALL_MODELS) {
  describe(`SoftIommuTarget ${model}: beside an array of pages`, () => {
    it('holds the same, fails alike, and DMA reaches the same bytes, whatever is done', function () {
      this.timeout(60_000);
      fc.assert(
        fc.property(steps, (todo) => {
          using memfd = Memfd.create('ram', BigInt(PAGES * PAGE_BYTES));
          const target = new SoftIommuTarget({
            model,
            entryLimit: LIMIT,
            aperture: MemoryRange.ofPages(0, APERTURE_END),
            reserved: [MemoryRange.ofPages(RESERVED.first, RESERVED.end)],
          });
          const simple = new ArrayOfPages(model);
          for (const step of todo) {
            perform(step, target, simple, memfd);
            expect(target.mappedRanges().map(String)).to.deep.equal(simple.held());
          }
          const bytes = Buffer.alloc(PAGES * PAGE_BYTES);
          readSync(memfd.fd, bytes, 0, bytes.length, 0);
          expect(firstBytesOfPages(bytes)).to.deep.equal(simple.file);
        }),
        { numRuns: 300 },
      );
    });
  });
}
