import { closeSync, fstatSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Subscription } from 'rxjs';
import { DescriptorSocket, type DescriptorMessage } from '../../../../binding/index.js';
import { FakeMemory, type FakeRegion } from './fake-memory.js';
import { temporaryFolder } from '../../../../lab/temporary-folder.js';

/** Numbers of the vhost-user specification, written down again: those of the code may be wrong. */
export const GET_FEATURES = 1;
export const SET_FEATURES = 2;
export const SET_OWNER = 3;
export const SET_MEM_TABLE = 5;
export const GET_PROTOCOL_FEATURES = 15;
export const SET_PROTOCOL_FEATURES = 16;
export const GET_QUEUE_NUM = 17;
export const GET_CONFIG = 24;
export const GET_INFLIGHT_FD = 31;
export const GET_MAX_MEM_SLOTS = 36;
export const ADD_MEM_REG = 37;
export const REM_MEM_REG = 38;

export const REPLY_ACK = 1n << 3n;
export const CONFIGURE_MEM_SLOTS = 1n << 15n;

const FRAMING = { headerBytes: 12, lengthAt: 8, lengthOf: 'payload', maxBytes: 0x10000 } as const;

/** A message that the back end got. */
export interface Received {
  readonly request: number;
  readonly needReply: boolean;
  readonly payload: Buffer;
  readonly fds: number;
}

/**
 * How a request is answered: `number`: with an ack of that number, if one is wanted; a buffer: with a reply; `'silence'`: not at all, nor is any
 * later one.
 */
export type Answer = number | Buffer | ReplyWithFds | 'silence' | 'hang up' | 'ack, then hang up';

export interface ReplyWithFds {
  readonly payload: Buffer;
  readonly fds: readonly number[];
}

export interface FakeBackEndOptions {
  /** Virtio features that it offers. Default: bits 5, 30 and 32. */
  readonly features?: bigint;
  /** Protocol features that it offers. Default: those of qemu-storage-daemon. */
  readonly protocolFeatures?: bigint;
  /** Default: 32. */
  readonly slots?: number;
  /** What it does when it refuses a region. Default: as libvhost-user. */
  readonly refusal?: Answer;
  /** Answers otherwise than usual where it returns something. Such a message has no effect on the memory. */
  readonly answer?: (message: Received) => Answer | undefined;
  /** Sends answers; by default at once. */
  readonly send?: (answer: Buffer, send: (answer: Buffer) => void) => void;
}

const DEFAULTS = {
  features: (1n << 5n) | (1n << 30n) | (1n << 32n),
  protocolFeatures: 0x8f2bn,
  slots: 32,
  refusal: 'ack, then hang up' as Answer,
};

/** A vhost-user back end that keeps the protocol as those of libvhost-user do: one client at a time. */
export class FakeBackEnd {
  readonly path: string;
  /** All messages of all clients. */
  readonly received: Received[] = [];
  readonly #folder: string;
  readonly #options: FakeBackEndOptions;
  readonly #memory: FakeMemory;
  #listener: { close(): void } | undefined;
  #client: DescriptorSocket | undefined;
  #reading: Subscription | undefined;
  #hangs = false;
  #fault: { readonly request: number; readonly answer: Answer; left: number } | undefined;

  private constructor(options: FakeBackEndOptions) {
    this.#folder = temporaryFolder('fake-back-end-');
    this.path = join(this.#folder, 'socket');
    this.#options = options;
    this.#memory = new FakeMemory(options.slots ?? DEFAULTS.slots);
  }

  static async listen(options: FakeBackEndOptions = {}): Promise<FakeBackEnd> {
    const backEnd = new FakeBackEnd(options);
    const listener = await DescriptorSocket.listen(backEnd.path, { framing: FRAMING });
    listener.connections$.subscribe((socket) => {
      backEnd.#serve(socket);
    });
    backEnd.#listener = listener;
    return backEnd;
  }

  /** The regions that it has, ascending. */
  get regions(): readonly FakeRegion[] {
    return this.#memory.regions;
  }

  /** Whether it has a client. */
  get isBusy(): boolean {
    return this.#client !== undefined;
  }

  /** The numbers of the messages since the last call, and of no others. */
  takeRequests(): readonly number[] {
    return this.received.splice(0).map(({ request }) => request);
  }

  /** Answers the next message of this number, or a later one, in this way. It has no effect on the memory. */
  failOnce(request: number, answer: Answer, later = 0): void {
    this.#fault = { request, answer, left: later };
  }

  /** Reads nothing more, until `resume`. */
  pause(): void {
    this.#reading?.unsubscribe();
  }

  resume(): void {
    this.#read();
  }

  /** Ends the connection as a process that dies. */
  die(): void {
    this.#client?.close();
    this.#memory.clear();
  }

  close(): void {
    this.die();
    this.#listener?.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #serve(socket: DescriptorSocket): void {
    if (this.#client !== undefined) {
      return; // A second client is not answered.
    }
    this.#client = socket;
    this.#read();
  }

  #read(): void {
    const socket = this.#client;
    const end = (): void => {
      this.#client = undefined;
      this.#memory.clear();
    };
    this.#reading = socket?.messages$.subscribe({
      next: (message) => {
        this.#take(socket, message);
      },
      error: end,
      complete: end,
    });
  }

  #take(socket: DescriptorSocket, message: DescriptorMessage): void {
    if (socket.isClosed || this.#hangs) {
      return;
    }
    const { data } = message;
    const request = data.readUInt32LE(0);
    const needReply = (data.readUInt32LE(4) & 8) !== 0;
    const fds = message.takeDescriptors();
    const received = { request, needReply, payload: data.subarray(12), fds: fds.length };
    this.received.push(received);
    const inodes = fds.map((fd) => fstatSync(fd, { bigint: true }).ino);
    fds.forEach((fd) => {
      closeSync(fd);
    });
    const answer = this.#faultOf(request) ?? this.#options.answer?.(received) ?? this.#usualAnswer(received, inodes);
    if (typeof answer === 'object') {
      const { payload, fds: sent } = 'payload' in answer ? answer : { payload: answer, fds: [] };
      this.#send(socket, request, payload, sent);
    } else if (needReply && (typeof answer === 'number' || answer === 'ack, then hang up')) {
      this.#send(socket, request, u64(BigInt(typeof answer === 'number' ? answer : 0)));
    }
    this.#hangs = answer === 'silence';
    if (answer === 'hang up' || answer === 'ack, then hang up') {
      this.die();
    }
  }

  #faultOf(request: number): Answer | undefined {
    const fault = this.#fault;
    if (fault?.request !== request) {
      return undefined;
    }
    fault.left -= 1;
    if (fault.left >= 0) {
      return undefined;
    }
    this.#fault = undefined;
    return fault.answer;
  }

  #usualAnswer({ request, payload }: Received, inodes: readonly bigint[]): Answer {
    const { features, protocolFeatures, slots, refusal } = { ...DEFAULTS, ...this.#options };
    switch (request) {
      case GET_FEATURES:
        return u64(features);
      case GET_PROTOCOL_FEATURES:
        return u64(protocolFeatures);
      case GET_MAX_MEM_SLOTS:
        return u64(BigInt(slots));
      case GET_QUEUE_NUM:
        return u64(4n);
      case SET_MEM_TABLE:
      case ADD_MEM_REG:
      case REM_MEM_REG:
        return this.#memory.change(request, payload, inodes) ? 0 : refusal;
      default:
        return 0;
    }
  }

  #send(socket: DescriptorSocket, request: number, payload: Buffer, fds: readonly number[] = []): void {
    const send = (data: Buffer): void => {
      if (!socket.isClosed) {
        void socket.send([{ data, fds }]);
      }
    };
    const answer = reply(request, payload);
    if (this.#options.send === undefined) {
      send(answer);
    } else {
      this.#options.send(answer, send);
    }
  }
}

/** A whole message that answers a request. */
export function reply(request: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt32LE(request, 0);
  header.writeUInt32LE(1 | 4, 4);
  header.writeUInt32LE(payload.length, 8);
  return Buffer.concat([header, payload]);
}

export function u64(value: bigint): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(value);
  return buffer;
}
