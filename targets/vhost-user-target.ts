import { checkOptions, checkLabel } from '../binding/checks.js';
import { DmaError, MemoryRange, type BatchStop, type DmaMapRequest, type DmaTarget } from '../streams/index.js';
import { checkCallback, checkOneOf, PAGE_SHIFT, printable, show, toBytes } from '../streams/internal.js';
import { checkRange } from './call-checks.js';
import type { BackEndMemory } from './vhost-user/back-end-memory.js';
import { goneError } from './vhost-user/connection-errors.js';
import type { Exchange } from './vhost-user/exchange.js';
import { TABLE_REGIONS_MAX, USER_ADDRESS_BASE } from './vhost-user/messages.js';
import { Regions, type HeldRegion } from './vhost-user/regions.js';
import { sendBarrier } from './vhost-user/requests.js';
import { Slots } from './vhost-user/slots.js';
import { Table } from './vhost-user/table.js';
import type { VhostUserTargetOptions } from './vhost-user/target-options.js';
import { VhostUserConnection } from './vhost-user-connection.js';

/**
 * Shares guest memory with a vhost-user back end, by file: the back end maps the same files. It needs no host virtual address.
 *
 * **How.** Where the back end offers CONFIGURE_MEM_SLOTS, regions are added and removed one by one, up to its number of slots. Otherwise each change
 * sends a table of all regions, of which there can be 8. The messages of a batch are sent together, and the answers awaited together. After
 * the last one there is a barrier, a request with a reply, once a set: back ends acknowledge also what they then fail to do.
 *
 * **What is refused.** Most back ends answer a region that they cannot map by closing the connection. So whatever can be known is checked
 * before anything is sent, for all maps of a set: see {@link VhostUserTarget.mapDma}.
 *
 * **Safety.** The back end maps the whole file, and may read and write all of it, not only what is mapped at the time: keep memory that it must not
 * see in another file. Removed memory is unmapped by the back end; nothing can prove that. A file that others can cut short
 * makes I/O of the back end fail: use a `Memfd`, which is sealed against that.
 *
 * **A back end that is gone** holds nothing: every call fails with `ERR_TARGET_GONE`, and the attachment ends. Connect again, and attach a new target. After
 * a time limit or an answer that is none, this side closes the connection, and the back end holds the memory until it notices, or is killed.
 *
 * The target does not own the connection: close it after the target was detached. A connection has one target.
 *
 * See {@link VhostUserConnection} for an example.
 */
export class VhostUserTarget implements DmaTarget {
  readonly name: string;
  readonly needsFd = true;
  readonly unmapShape = 'exact';
  readonly concurrent = true;
  readonly slowForLargeMaps = false;
  /** The number of regions that the back end takes. */
  readonly maxMaps: number;
  readonly #exchange: Exchange;
  readonly #memory: BackEndMemory;
  readonly #regions: Regions;
  readonly #beforeUnmap: VhostUserTargetOptions['beforeUnmap'];
  #isInSet = false;
  /** Whether something was removed in this set, and no barrier has followed. */
  #isUnproven = false;
  /** The error of `beforeUnmap` in this set. */
  #unmapRefusal: { readonly error: unknown } | undefined;

  /**
   * @throws TypeError if an argument is of the wrong type
   * @throws DmaError `EBUSY` if the connection has a target; `ERR_TARGET_GONE` if it has ended
   */
  constructor(connection: VhostUserConnection, options: VhostUserTargetOptions = {}) {
    if (!((connection as unknown) instanceof VhostUserConnection)) {
      throw new TypeError(
        `connection must be a VhostUserConnection, not ${show(connection)}: await VhostUserConnection.connect(path)`,
      );
    }
    const {
      name = 'vhost-user',
      readOnly = 'skip',
      device = 'skip',
      beforeUnmap,
    } = checkOptions(options, { name: true, readOnly: true, device: true, beforeUnmap: true }, 'VhostUserTarget');
    checkLabel(name, 'name');
    checkOneOf(readOnly, ['skip', 'refuse', 'share'], 'readOnly');
    checkOneOf(device, ['skip', 'share'], 'device');
    checkCallback(beforeUnmap, 'beforeUnmap');
    const { maxSlots } = connection;
    this.name = name;
    this.maxMaps = maxSlots ?? TABLE_REGIONS_MAX;
    this.#exchange = VhostUserConnection.claim(connection, name);
    this.#beforeUnmap = beforeUnmap;
    this.#regions = new Regions(name, { readOnly, device }, this.maxMaps);
    this.#checkOpen();
    if (maxSlots === undefined) {
      const table = new Table(this.#exchange);
      const close = (): void => {
        table.close();
      };
      connection.closed$.subscribe({ complete: close, error: close });
      this.#memory = table;
    } else {
      this.#memory = new Slots(this.#exchange, maxSlots);
    }
  }

  /**
   * The "user address" of a guest physical address, as the back end knows it: for SET_VRING_ADDR (9). It is only a token: there is no memory at this
   * address. `undefined` where the back end has no memory.
   *
   * @throws TypeError or RangeError if it is no address
   */
  userAddressOf(gpa: bigint | number): bigint | undefined {
    const address = toBytes(gpa, 'gpa');
    if (this.#exchange.end !== undefined) {
      return undefined;
    }
    const page = Number(address >> PAGE_SHIFT);
    const held = this.#regions.at(MemoryRange.ofPages(page, page + 1));
    return held?.shared === true ? address + USER_ADDRESS_BASE : undefined;
  }

  /**
   * The ranges of all maps, ascending, those that are left out because they are read-only among them. They are what this side has agreed with the back end: the
   * protocol has no request that lists its memory.
   *
   * @throws DmaError `ERR_TARGET_GONE`
   */
  mappedRanges(): readonly MemoryRange[] {
    this.#checkOpen();
    return this.#regions.ranges();
  }

  /** A set begins: one barrier is enough for all of it. */
  beginSet(): void {
    this.#isInSet = true;
    this.#unmapRefusal = undefined;
  }

  /**
   * A set ends. If it has removed regions, and no barrier has followed, one is sent.
   *
   * @throws DmaError `ERR_TARGET_GONE`
   */
  endSet(): void | Promise<void> {
    this.#isInSet = false;
    this.#unmapRefusal = undefined;
    if (this.#isUnproven) {
      this.#isUnproven = false;
      return sendBarrier(this.#exchange);
    }
  }

  /**
   * Checks a set before its first map. Device memory is not checked, because a failure to map it is soft.
   *
   * @throws DmaError as {@link VhostUserTarget.mapDma} for the first map that would be refused; the error names it. Nothing was sent
   */
  checkMaps(requests: readonly DmaMapRequest[]): void {
    this.#checkOpen();
    this.#regions.check(requests);
  }

  /**
   * Shares a region. On failure: the back end does not have it.
   *
   * @throws DmaError before anything is sent: `ENOSPC` if all slots, or the 8 places of the table, are in use; `EEXIST` if it overlaps a map; `EINVAL` if
   * the file is not a regular one, the file offset is not a multiple of its page size, or the range ends above 2^64 - 2^44; `EACCES` if the file is not open for
   * reading and writing; `EPERM` if it is sealed against writing; `ERR_BEYOND_FILE` if it is too short; `EBADF` or `ERR_CLOSED` if it is closed; `ERR_NO_FD` for private
   * memory; `EOPNOTSUPP` for device memory and, with `readOnly: 'refuse'`, for maps that are not writable; `EMFILE`
   * @throws DmaError `EIO` if the back end refused it, and goes on; `ERR_TARGET_GONE` if it is gone
   * @throws TypeError if the request is malformed
   */
  async mapDma(request: DmaMapRequest): Promise<void> {
    throwError(await this.mapDmaBatch([request]));
  }

  /**
   * Shares regions, in order, up to the first that fails. Those after it are not shared.
   *
   * @returns `undefined` if all succeeded; otherwise where it stopped, with an error as of {@link VhostUserTarget.mapDma}
   * @throws DmaError `ERR_TARGET_GONE`: none of them is shared
   */
  async mapDmaBatch(requests: readonly DmaMapRequest[]): Promise<BatchStop | undefined> {
    this.#checkOpen();
    this.#unmapRefusal = undefined;
    const { planned, toShare, refusal } = this.#regions.plan(requests);
    let added = 0;
    if (toShare.length > 0) {
      try {
        added = await this.#memory.add(toShare);
        this.#isUnproven = false;
      } catch (error) {
        this.#regions.forget(planned);
        throw error;
      }
    }
    const refused = toShare[added];
    if (refused !== undefined) {
      const done = planned.indexOf(refused);
      this.#regions.forget(planned.slice(done));
      return { done, error: this.#refusedMap(refused) };
    }
    return refusal === undefined ? undefined : { done: planned.length, error: refusal.error };
  }

  /**
   * Takes away the maps inside the range. A range without maps is accepted. On failure: the back end still has them.
   *
   * @throws what `beforeUnmap` throws; DmaError `EINVAL` if the range contains only a part of a map; `EIO` if the back end refused, and goes on;
   * `ERR_TARGET_GONE` if it is gone, and has nothing any more
   */
  async unmapDma(range: MemoryRange): Promise<void> {
    throwError(await this.unmapDmaBatch([range]));
  }

  /**
   * Takes away maps, in order, up to the first that fails.
   *
   * @returns `undefined` if all succeeded; otherwise where it stopped, with an error as of {@link VhostUserTarget.unmapDma}
   * @throws DmaError `ERR_TARGET_GONE`
   */
  async unmapDmaBatch(ranges: readonly MemoryRange[]): Promise<BatchStop | undefined> {
    this.#checkOpen();
    ranges.forEach(checkRange);
    const removed: HeldRegion[] = [];
    /** Number of items of `removed` up to each range. */
    const ends: number[] = [];
    let refusal: { readonly error: unknown } | undefined;
    try {
      for (const range of ranges) {
        removed.push(...this.#regions.inside(range));
        ends.push(removed.length);
      }
    } catch (error) {
      refusal = { error };
    }
    const shared = removed.filter((held) => held.shared);
    const stop = shared.length === 0 ? undefined : await this.#removeShared(shared);
    const kept = new Set(stop?.kept);
    this.#regions.forget(removed.filter((held) => !kept.has(held)));
    if (stop !== undefined && stop.kept.length > 0) {
      const first = removed.findIndex((held) => kept.has(held));
      return { done: ends.findIndex((end) => end > first), error: stop.error };
    }
    return refusal === undefined ? undefined : { done: ends.length, error: refusal.error };
  }

  /** Removes regions. Returns those that the back end still has, and why. */
  async #removeShared(
    shared: readonly HeldRegion[],
  ): Promise<{ readonly kept: readonly HeldRegion[]; readonly error: unknown } | undefined> {
    try {
      if (this.#unmapRefusal !== undefined) {
        throw this.#unmapRefusal.error;
      }
      if (this.#beforeUnmap !== undefined) {
        await this.#beforeUnmap(shared.map(({ range }) => range));
      }
    } catch (error) {
      this.#unmapRefusal = { error };
      return { kept: shared, error };
    }
    this.#checkOpen();
    const refused = await this.#memory.remove(shared, !this.#isInSet);
    this.#isUnproven = this.#isInSet && this.#exchange.acks;
    const [first] = refused;
    return first === undefined
      ? undefined
      : {
          kept: refused.map((index) => shared[index] as HeldRegion),
          error: this.#refused(
            shared[first] as HeldRegion,
            this.#memory.removeRequest,
            'did not give up',
            'It goes on, and still has the memory. Its output says why.',
          ),
        };
  }

  #refusedMap(refused: HeldRegion): DmaError {
    return this.#refused(
      refused,
      this.#memory.addRequest,
      'did not take',
      `It goes on with the ${this.#regions.shared} regions that it has, of ${this.maxMaps} that it takes. Its output says why: for example, ` +
        'it could not map the file, or has reached a limit of its own.',
    );
  }

  /** The error for a request that a back end refused which goes on. */
  #refused({ range, region }: HeldRegion, request: string, what: string, hint: string): DmaError {
    const target = this.name;
    return new DmaError(`the back end ${what} ${range}`, { code: 'EIO', request, target, region, range, hint });
  }

  #checkOpen(): void {
    if (this.#exchange.end !== undefined) {
      this.#isUnproven = false;
      throw goneError(this.#exchange, this.#exchange.end);
    }
  }
}

printable(VhostUserTarget, ({ name, maxMaps }) => ({ name, maxMaps }));

function throwError(stop: BatchStop | undefined): void {
  if (stop !== undefined) {
    throw stop.error;
  }
}
