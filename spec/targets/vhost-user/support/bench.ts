import { expect } from 'chai';
import { Memfd } from '../../../../binding/index.js';
import { DmaError, MemoryRange, RegionManager, type DmaMapRequest, type Region } from '../../../../streams/index.js';
import {
  VhostUserConnection,
  VhostUserTarget,
  type VhostUserConnectionOptions,
  type VhostUserTargetOptions,
} from '../../../../targets/index.js';
import { request, type RequestOptions } from '../../support/requests.js';
import { FakeBackEnd, type FakeBackEndOptions } from './fake-back-end.js';

/** A protocol without slots: REPLY_ACK and no CONFIGURE_MEM_SLOTS, as DPDK offers. */
export const TABLE: FakeBackEndOptions = { protocolFeatures: 0x10cbfn };

export const PAGES = 4096n;

/** A target and its back end. */
export interface Attached {
  readonly backEnd: FakeBackEnd;
  readonly connection: VhostUserConnection;
  readonly target: VhostUserTarget;
}

/** What a spec makes. All of it is closed after each test. */
export class VhostUserBench {
  readonly #closers: (() => void)[] = [];

  closeLater<T extends { close(): unknown }>(made: T): T {
    this.#closers.push(() => {
      made.close();
    });
    return made;
  }

  close(): void {
    for (const close of this.#closers.splice(0).toReversed()) {
      close();
    }
  }

  async backEnd(options: FakeBackEndOptions = {}): Promise<FakeBackEnd> {
    return this.closeLater(await FakeBackEnd.listen(options));
  }

  async connect(path: string, options: VhostUserConnectionOptions = {}): Promise<VhostUserConnection> {
    return this.closeLater(await VhostUserConnection.connect(path, options));
  }

  /** A target of a new back end. What was sent so far is not in its list. */
  async attached(
    options: FakeBackEndOptions = {},
    targetOptions: VhostUserTargetOptions = {},
    connectionOptions: VhostUserConnectionOptions = {},
  ): Promise<Attached> {
    const backEnd = await this.backEnd(options);
    const connection = await this.connect(backEnd.path, connectionOptions);
    const target = new VhostUserTarget(connection, { name: 'disk', ...targetOptions });
    backEnd.takeRequests();
    return { backEnd, connection, target };
  }

  memfd(pages = 64): Memfd {
    return this.closeLater(Memfd.create('memory', BigInt(pages) * PAGES));
  }

  /** A map request over pages, of a file of its own if none is given. */
  request(startPage: number, pages = 1, options: RequestOptions = {}): DmaMapRequest {
    const { mappable = this.memfd(pages) } = options;
    return request(pagesAt(startPage, pages), { ...options, mappable });
  }

  /** Map requests over one page each, with a gap after each, in one file. */
  requests(count: number, firstPage = 0): readonly DmaMapRequest[] {
    const mappable = this.memfd(count);
    return Array.from({ length: count }, (_, index) =>
      this.request(firstPage + 2 * index, 1, { mappable, fileOffset: BigInt(index) * PAGES }),
    );
  }

  /** Adds a region of these pages, which is one mapping, and shows it. */
  async plug(manager: RegionManager, startPage: number, pages = 1, writable = true): Promise<Region> {
    const range = pagesAt(startPage, pages);
    const region = await manager.addRegion({ name: `dimm ${startPage}`, range, type: 'ram' });
    const backing = { mappable: this.memfd(pages), fileOffset: 0n };
    await region.addMapping({ rangeInRegion: MemoryRange.ofLength(0, range.length), backing, writable });
    await region.map({ writable: true });
    return region;
  }
}

/** A bench that is closed after each test of the suite. */
export function eachWithBench(): VhostUserBench {
  const bench = new VhostUserBench();
  afterEach(() => {
    bench.close();
  });
  return bench;
}

export function pagesAt(startPage: number, pages = 1): MemoryRange {
  return MemoryRange.ofPages(startPage, startPage + pages);
}

/** The ranges that a back end has, as text. */
export function held({ regions }: FakeBackEnd): readonly string[] {
  return regions.map(({ gpa, size }) => MemoryRange.ofLength(gpa, size).toString());
}

/** The `DmaError` that work rejects with, or throws. */
export async function failure(work: Promise<unknown> | (() => unknown)): Promise<DmaError> {
  try {
    await (typeof work === 'function' ? work() : work);
  } catch (error) {
    expect(error).to.be.instanceOf(DmaError);
    return error as DmaError;
  }
  throw new Error('nothing failed');
}
