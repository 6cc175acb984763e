/**
 * A virtqueue that a vhost-user device serves: the messages that start and stop it, and the two eventfds by which both sides wake each
 * other. Memory is the matter of `VhostUserTarget`; this is what the protocol leaves to the driver.
 */
import { EventFd } from 'dma-streams/binding';
import type { VhostUserConnection, VhostUserTarget } from 'dma-streams/targets';
import type { Subscription } from 'rxjs';
import type { Segment, Virtqueue } from './virtqueue.js';

// Requests of the vhost-user protocol.
const SET_VRING_NUM = 8;
const SET_VRING_ADDR = 9;
const SET_VRING_BASE = 10;
const GET_VRING_BASE = 11;
const SET_VRING_KICK = 12;
const SET_VRING_CALL = 13;
const SET_VRING_ENABLE = 18;
const GET_CONFIG = 24;

interface Waiting {
  readonly resolve: (written: number) => void;
  readonly reject: (error: Error) => void;
}

/** A queue of a vhost-user device that runs. */
export class VhostUserQueue {
  readonly #connection: VhostUserConnection;
  readonly #queue: Virtqueue;
  readonly #index: number;
  /** The driver signals it when something is available, */
  readonly #kick = EventFd.create();
  /** and the device this one when something is used. */
  readonly #call = EventFd.create();
  readonly #waiting = new Map<number, Waiting>();
  readonly #subscriptions: Subscription[] = [];
  #end: Error | undefined;

  private constructor(connection: VhostUserConnection, queue: Virtqueue, index: number) {
    this.#connection = connection;
    this.#queue = queue;
    this.#index = index;
  }

  /**
   * Starts a queue. The target has shared the memory that it lies in.
   *
   * @param index of the queue at the device
   */
  static async start(
    connection: VhostUserConnection,
    target: VhostUserTarget,
    queue: Virtqueue,
    index = 0,
  ): Promise<VhostUserQueue> {
    const started = new VhostUserQueue(connection, queue, index);
    try {
      await started.#start(target);
    } catch (error) {
      started.#stop(error as Error);
      throw error;
    }
    return started;
  }

  async #start(target: VhostUserTarget): Promise<void> {
    const { descriptorTable, usedRing, availableRing, size } = this.#queue;
    // A device finds the rings by its name for guest memory, which the target chooses.
    const rings = [descriptorTable, usedRing, availableRing].map((gpa) => {
      const address = target.userAddressOf(gpa);
      if (address === undefined) {
        throw new Error(`the device does not have the memory of the queue at 0x${gpa.toString(16)}`);
      }
      return address;
    });
    this.#subscriptions.push(
      this.#call.signals$.subscribe(() => {
        this.#takeUsed();
      }),
      this.#connection.closed$.subscribe({
        next: (error) => {
          this.#stop(error);
        },
        complete: () => {
          this.#stop(new Error('the connection to the device was closed'));
        },
      }),
    );
    await this.#state(SET_VRING_NUM, size);
    await this.#state(SET_VRING_BASE, 0);
    const address = Buffer.alloc(40);
    address.writeUInt32LE(this.#index);
    rings.forEach((ring, position) => address.writeBigUInt64LE(ring, 8 + 8 * position));
    await this.#connection.request(SET_VRING_ADDR, address);
    await this.#eventFd(SET_VRING_KICK, this.#kick);
    await this.#eventFd(SET_VRING_CALL, this.#call);
    await this.#state(SET_VRING_ENABLE, 1);
  }

  /**
   * Has the device serve one request.
   *
   * @returns how many bytes the device says it has written
   * @throws what ended the connection, if that comes first
   */
  transfer(segments: readonly Segment[]): Promise<number> {
    return new Promise((resolve, reject) => {
      if (this.#end !== undefined) {
        reject(this.#end);
        return;
      }
      this.#waiting.set(this.#queue.add(segments), { resolve, reject });
      if (this.#queue.wantsNotification) {
        this.#kick.signal();
      }
    });
  }

  /** Stops the queue: the device answers when it has finished with all that it had begun. */
  async stop(): Promise<void> {
    if (this.#end === undefined) {
      await this.#state(GET_VRING_BASE, 0);
      this.#takeUsed();
      this.#stop(new Error('the queue was stopped'));
    }
  }

  #takeUsed(): void {
    for (let used = this.#queue.take(); used !== undefined; used = this.#queue.take()) {
      this.#waiting.get(used.head)?.resolve(used.written);
      this.#waiting.delete(used.head);
    }
  }

  #stop(error: Error): void {
    this.#end ??= error;
    for (const subscription of this.#subscriptions) {
      subscription.unsubscribe();
    }
    for (const { reject } of this.#waiting.values()) {
      reject(error);
    }
    this.#waiting.clear();
    this.#kick.close();
    this.#call.close();
  }

  async #state(request: number, value: number): Promise<void> {
    const payload = Buffer.alloc(8);
    payload.writeUInt32LE(this.#index, 0);
    payload.writeUInt32LE(value, 4);
    await this.#connection.request(request, payload);
  }

  async #eventFd(request: number, { fd }: EventFd): Promise<void> {
    const payload = Buffer.alloc(8);
    payload.writeBigUInt64LE(BigInt(this.#index));
    await this.#connection.request(request, payload, [fd]);
  }
}

/** Reads the first bytes of the device's configuration space. */
export async function readConfiguration(connection: VhostUserConnection, length: number): Promise<Buffer> {
  const HEADER_BYTES = 12; // offset, length, flags
  const message = Buffer.alloc(HEADER_BYTES + length);
  message.writeUInt32LE(length, 4);
  const { payload } = await connection.request(GET_CONFIG, message);
  return payload.subarray(HEADER_BYTES);
}
