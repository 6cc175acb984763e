import { ReplaySubject, type Observable } from 'rxjs';
import { DescriptorSocket } from '../binding/index.js';
import { checkArray, checkBytes, checkFd, checkInteger, checkOptions } from '../binding/checks.js';
import { DmaError } from '../streams/index.js';
import { abortError, madeBy, printable, show } from '../streams/internal.js';
import { Exchange } from './vhost-user/exchange.js';
import { FRAMING, PAYLOAD_BYTES_MAX, REQUEST, requestName } from './vhost-user/messages.js';
import { negotiate, type Agreement } from './vhost-user/negotiation.js';
import { ask, type VhostUserReply } from './vhost-user/requests.js';

/** Options of `VhostUserConnection.connect`. */
export interface VhostUserConnectionOptions {
  /**
   * The virtio features that the VMM wants, for example those of its block device. All of them must be offered. The bits 30 (protocol features)
   * and 32 (`VIRTIO_F_VERSION_1`) are added where the back end offers them. Default: these two.
   */
  readonly features?: bigint;
  /** How long to wait for each next answer, in milliseconds; at most 2^31 - 1. Default: 10,000. */
  readonly timeout?: number;
  /** Aborts the connecting. Has no effect afterwards. */
  readonly signal?: AbortSignal;
}

const DEFAULT_TIMEOUT = 10_000;
const DESCRIPTORS_MAX = 8;

/** What a connection or its target sends. If others sent it, the two sides would disagree. */
const RESERVED: ReadonlySet<number> = new Set([
  REQUEST.SET_PROTOCOL_FEATURES,
  REQUEST.SET_MEM_TABLE,
  REQUEST.ADD_MEM_REG,
  REQUEST.REM_MEM_REG,
]);

/**
 * A connection to a vhost-user back end: a process that is the device of a virtual machine, such as `qemu-storage-daemon` (disks), `virtiofsd`
 * (file systems) or DPDK (networks). This side is the front end.
 *
 * `connect` agrees on the features. A {@link VhostUserTarget} then shares guest memory through the connection. The rest of the protocol, such
 * as the virtqueues, is the task of the VMM: `request`.
 *
 * Any number of requests may be made without waiting for answers: they are sent, and answered, in order. When no answer comes within the time limit,
 * or one comes that is none, the connection is closed, because its state is unknown. Once it has ended, for whatever reason, all open and
 * later requests reject with `ERR_TARGET_GONE`.
 *
 * While it is open, the connection keeps the process running.
 *
 * @example
 * ```ts
 * import type { RegionManager } from 'dma-streams';
 * import { VhostUserConnection, VhostUserTarget } from 'dma-streams/targets';
 *
 * const GET_QUEUE_NUM = 17;
 *
 * async function attachDisk(manager: RegionManager, path: string): Promise<VhostUserTarget> {
 *   const connection = await VhostUserConnection.connect(path);
 *   connection.closed$.subscribe((error) => console.error(error.message, error.hint));
 *   const { payload } = await connection.request(GET_QUEUE_NUM);
 *   console.log('queues:', payload.readBigUInt64LE());
 *   const disk = new VhostUserTarget(connection, { name: 'disk' });
 *   await manager.attach(disk); // The back end now sees all memory of the guest.
 *   return disk;
 * }
 * ```
 */
export class VhostUserConnection implements Disposable {
  /** The agreed virtio features. A VMM that agrees on others with the driver in the guest sends SET_FEATURES (2) with them, and with bit 30. */
  readonly features: bigint;
  /** The agreed protocol features: those of MQ (bit 0), REPLY_ACK (3), CONFIG (9) and CONFIGURE_MEM_SLOTS (15) that the back end offers. */
  readonly protocolFeatures: bigint;
  /**
   * The number of regions that the back end holds at most, as it says. Absent if CONFIGURE_MEM_SLOTS was not agreed: regions are then sent as a
   * table of at most 8.
   */
  readonly maxSlots: number | undefined;
  /**
   * Hot, with the last value. Emits the reason when the connection ends, an error as requests then reject with, and completes; when it ends by
   * `close()`, only completes. A late subscriber gets the same, within `subscribe`. Never errors: the reason is a value.
   */
  readonly closed$: Observable<DmaError>;
  readonly #exchange: Exchange;

  private constructor(
    exchange: Exchange,
    { features, protocolFeatures, maxSlots }: Agreement,
    closed$: Observable<DmaError>,
  ) {
    this.#exchange = exchange;
    this.features = features;
    this.protocolFeatures = protocolFeatures;
    this.maxSlots = maxSlots;
    this.closed$ = closed$;
  }

  /**
   * Connects to the socket of a back end, and agrees on features.
   *
   * On failure: the connection is closed.
   *
   * @param path of the socket
   * @throws TypeError or RangeError if an argument is invalid
   * @throws DmaError `ENOENT`, `ECONNREFUSED`, `EACCES`, … if there is no such socket, nobody listens, or access is denied; `EOPNOTSUPP` if a
   * wanted feature is not offered; `ETIMEDOUT` if there is no answer, for example because the back end serves another client; `EPROTO` if what
   * listens does not speak vhost-user; `ECONNRESET` if it closes the connection; `EIO` if it refuses a feature; `ABORT_ERR`
   */
  static async connect(path: string, options: VhostUserConnectionOptions = {}): Promise<VhostUserConnection> {
    if (typeof path !== 'string') {
      throw new TypeError(`path is ${show(path)}, not the path of a socket`);
    }
    const {
      features = 0n,
      timeout = DEFAULT_TIMEOUT,
      signal,
    } = checkOptions(options, { features: true, timeout: true, signal: true }, 'VhostUserConnection.connect');
    if (typeof features !== 'bigint') {
      throw new TypeError(`features is ${show(features)}, not a bigint`);
    }
    if (features < 0n || features >> 64n !== 0n) {
      throw new RangeError(`features ${features} is outside of [0, 2^64)`);
    }
    checkInteger(timeout, 'timeout', 1, 2 ** 31);
    const socket = await DescriptorSocket.connect(path, {
      framing: FRAMING,
      timeout,
      ...(signal === undefined ? {} : { signal }),
    });
    const closed$ = new ReplaySubject<DmaError>(1);
    const exchange = new Exchange(socket, path, timeout, (error) => {
      if (error !== undefined) {
        closed$.next(error);
      }
      closed$.complete();
    });
    const abort = (): void => {
      exchange.close(abortError(`connecting to the back end at "${path}" was aborted`, signal?.reason));
    };
    signal?.addEventListener('abort', abort);
    if (signal?.aborted === true) {
      abort();
    }
    try {
      const agreement = await negotiate(exchange, features);
      exchange.isAgreed = true;
      return new VhostUserConnection(exchange, agreement, closed$.asObservable());
    } catch (error) {
      exchange.close();
      // There is no target yet that could be gone: the reason itself is told.
      throw error instanceof DmaError && error.code === 'ERR_TARGET_GONE' ? error.cause : error;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  /**
   * Sends a request, and waits for its answer: the reply of a request that has one, otherwise the ack where REPLY_ACK was agreed. Without that,
   * resolves when the kernel has taken the request, which proves nothing.
   *
   * Requests are sent in the order of the calls. An ack does not prove success with back ends of libvhost-user (`qemu-storage-daemon`): they
   * acknowledge also what fails, and then close the connection.
   *
   * @param number of the vhost-user specification, for example 24 (GET_CONFIG). Requests that change memory are sent by `VhostUserTarget`
   * @param payload without the header; at most 4096 bytes
   * @param fds descriptors that go with it, at most 8. They are duplicated, and stay the caller's
   * @returns payload of the reply, and the descriptors of one that may have some: see {@link VhostUserReply.fds}. Empty after an ack
   * @throws TypeError or RangeError if an argument is invalid
   * @throws DmaError `EIO` if the back end refused the request and goes on; `ERR_TARGET_GONE` if the connection has ended; its `cause` is the
   * reason. Whether the request has taken effect is then unknown
   */
  async request(
    number: number,
    payload: Uint8Array = new Uint8Array(0),
    fds: readonly number[] = [],
  ): Promise<VhostUserReply> {
    checkInteger(number, 'the number of a request', 1, 2 ** 32);
    checkBytes(payload, 'payload');
    checkArray(fds, 'fds');
    for (const fd of fds) {
      checkFd(fd, 'an item of fds');
    }
    if (payload.length > PAYLOAD_BYTES_MAX || fds.length > DESCRIPTORS_MAX) {
      throw new RangeError(
        `a request has at most ${PAYLOAD_BYTES_MAX} bytes and ${DESCRIPTORS_MAX} descriptors, not ${payload.length} and ${fds.length}`,
      );
    }
    if (RESERVED.has(number)) {
      throw new RangeError(
        `${requestName(number)} is sent by VhostUserConnection.connect or VhostUserTarget, not by request()`,
      );
    }
    return await ask(this.#exchange, number, payload, fds);
  }

  /**
   * Closes the connection. The back end then unmaps all guest memory, when it notices. All open requests, and calls of the target, fail with
   * `ERR_TARGET_GONE`. Calling it again has no effect.
   */
  close(): void {
    this.#exchange.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * For its only target.
   *
   * @throws DmaError `EBUSY` if it has a target
   * @internal
   */
  static claim(connection: VhostUserConnection, target: string): Exchange {
    const exchange = connection.#exchange;
    if (exchange.target !== undefined) {
      throw new DmaError(`the connection already has the target "${exchange.target}"`, {
        code: 'EBUSY',
        target,
        hint: 'A back end has one memory map. Make one VhostUserTarget for each connection.',
      });
    }
    exchange.target = target;
    return exchange;
  }
}

madeBy(VhostUserConnection, 'await VhostUserConnection.connect');
printable(VhostUserConnection, ({ features, protocolFeatures, maxSlots }) => ({
  features,
  protocolFeatures,
  maxSlots,
}));
