import type { MessageFraming } from '../../binding/index.js';
import type { MemoryRange } from '../../streams/index.js';

/** Requests of a front end. From the vhost-user specification of QEMU (docs/interop/vhost-user.rst), as are all other numbers here. */
export const REQUEST = {
  GET_FEATURES: 1,
  SET_FEATURES: 2,
  SET_OWNER: 3,
  SET_MEM_TABLE: 5,
  GET_PROTOCOL_FEATURES: 15,
  SET_PROTOCOL_FEATURES: 16,
  GET_MAX_MEM_SLOTS: 36,
  ADD_MEM_REG: 37,
  REM_MEM_REG: 38,
} as const;

/** The names of all requests, by number. */
const NAMES: readonly string[] = [
  ...['', 'GET_FEATURES', 'SET_FEATURES', 'SET_OWNER', 'RESET_OWNER', 'SET_MEM_TABLE', 'SET_LOG_BASE', 'SET_LOG_FD'],
  ...['SET_VRING_NUM', 'SET_VRING_ADDR', 'SET_VRING_BASE', 'GET_VRING_BASE', 'SET_VRING_KICK', 'SET_VRING_CALL'],
  ...['SET_VRING_ERR', 'GET_PROTOCOL_FEATURES', 'SET_PROTOCOL_FEATURES', 'GET_QUEUE_NUM', 'SET_VRING_ENABLE'],
  ...['SEND_RARP', 'NET_SET_MTU', 'SET_BACKEND_REQ_FD', 'IOTLB_MSG', 'SET_VRING_ENDIAN', 'GET_CONFIG', 'SET_CONFIG'],
  ...['CREATE_CRYPTO_SESSION', 'CLOSE_CRYPTO_SESSION', 'POSTCOPY_ADVISE', 'POSTCOPY_LISTEN', 'POSTCOPY_END'],
  ...['GET_INFLIGHT_FD', 'SET_INFLIGHT_FD', 'GPU_SET_SOCKET', 'RESET_DEVICE', 'VRING_KICK', 'GET_MAX_MEM_SLOTS'],
  ...['ADD_MEM_REG', 'REM_MEM_REG', 'SET_STATUS', 'GET_STATUS', 'GET_SHARED_OBJECT', 'SET_DEVICE_STATE_FD'],
  ...['CHECK_DEVICE_STATE', 'GET_SHMEM_CONFIG'],
];

/**
 * The requests that have a reply of their own. All others are answered by an ack, and only where REPLY_ACK was agreed. (SET_LOG_BASE has a
 * reply only with LOG_SHMFD, which is never agreed.)
 */
const WITH_REPLY: ReadonlySet<string> = new Set([
  ...['GET_FEATURES', 'GET_VRING_BASE', 'GET_PROTOCOL_FEATURES', 'GET_QUEUE_NUM', 'IOTLB_MSG', 'GET_CONFIG'],
  ...['CREATE_CRYPTO_SESSION', 'POSTCOPY_ADVISE', 'POSTCOPY_END', 'GET_INFLIGHT_FD', 'GET_MAX_MEM_SLOTS', 'GET_STATUS'],
  ...['GET_SHARED_OBJECT', 'SET_DEVICE_STATE_FD', 'CHECK_DEVICE_STATE', 'GET_SHMEM_CONFIG'],
]);

/** The requests whose reply may have descriptors. Those that come with any other answer are closed. */
const WITH_DESCRIPTORS: ReadonlySet<string> = new Set([
  ...['POSTCOPY_ADVISE', 'GET_INFLIGHT_FD', 'GET_SHARED_OBJECT', 'SET_DEVICE_STATE_FD'],
]);

/** Bits of the virtio features that concern the protocol itself. */
export const VIRTIO_FEATURE = { PROTOCOL_FEATURES: 1n << 30n, VERSION_1: 1n << 32n } as const;

export const PROTOCOL_FEATURE = {
  MQ: 1n << 0n,
  REPLY_ACK: 1n << 3n,
  CONFIG: 1n << 9n,
  CONFIGURE_MEM_SLOTS: 1n << 15n,
} as const;

/**
 * The protocol features that are accepted where they are offered: those that this library, or a caller of `request`, can serve. With STATUS,
 * for example, DPDK would wait for SET_STATUS before it starts a queue.
 */
export const SERVED_PROTOCOL_FEATURES =
  PROTOCOL_FEATURE.MQ | PROTOCOL_FEATURE.REPLY_ACK | PROTOCOL_FEATURE.CONFIG | PROTOCOL_FEATURE.CONFIGURE_MEM_SLOTS;

/** Regions in one SET_MEM_TABLE: what all back ends take. */
export const TABLE_REGIONS_MAX = 8;

/** A region has four numbers of 64 bits: guest physical address, size, user address, offset in the file. In bytes. */
const REGION_BYTES = 32;
const HEADER_BYTES = 12;
/** The longest payload that any back end accepts. */
export const PAYLOAD_BYTES_MAX = 4096;

/** Header of a message: request, flags, and length of the payload; 32 bits each, little-endian. */
export const FRAMING: MessageFraming = {
  headerBytes: HEADER_BYTES,
  lengthAt: 8,
  lengthOf: 'payload',
  maxBytes: HEADER_BYTES + PAYLOAD_BYTES_MAX,
};

const VERSION = 1;
const VERSION_MASK = 3;
const IS_REPLY = 4;
const NEED_REPLY = 8;

/** A message, and the descriptors that go with it. */
export interface Outgoing {
  readonly data: Uint8Array;
  readonly fds?: readonly number[];
}

/** A region as a back end gets it. */
export interface WireRegion {
  readonly range: MemoryRange;
  /** In bytes. */
  readonly fileOffset: bigint;
}

/** `'VHOST_USER_ADD_MEM_REG'`. */
export function requestName(request: number): string {
  return `VHOST_USER_${NAMES[request] ?? request}`;
}

/** Whether the request has a reply of its own, and not only an ack. */
export function hasReply(request: number): boolean {
  return WITH_REPLY.has(NAMES[request] ?? '');
}

/** Whether descriptors may come with the reply. */
export function mayHaveDescriptors(request: number): boolean {
  return WITH_DESCRIPTORS.has(NAMES[request] ?? '');
}

/** A message without descriptors. */
export function encode(request: number, payload: Uint8Array, needReply: boolean): Buffer {
  const message = Buffer.allocUnsafe(HEADER_BYTES + payload.length);
  putHeader(message, 0, request, payload.length, needReply);
  message.set(payload, HEADER_BYTES);
  return message;
}

/** The payload of requests that set features. */
export function u64(value: bigint): Buffer {
  const payload = Buffer.allocUnsafe(8);
  payload.writeBigUInt64LE(value);
  return payload;
}

const SLOT_MESSAGE_BYTES = HEADER_BYTES + 8 + REGION_BYTES;

/** Messages that add or remove one region each, in one buffer. */
export function encodeSlots(
  request: typeof REQUEST.ADD_MEM_REG | typeof REQUEST.REM_MEM_REG,
  regions: readonly WireRegion[],
  needReply: boolean,
): readonly Buffer[] {
  const all = Buffer.alloc(regions.length * SLOT_MESSAGE_BYTES);
  return regions.map((region, index) => {
    const at = index * SLOT_MESSAGE_BYTES;
    putHeader(all, at, request, SLOT_MESSAGE_BYTES - HEADER_BYTES, needReply);
    putRegion(all, at + HEADER_BYTES + 8, region);
    return all.subarray(at, at + SLOT_MESSAGE_BYTES);
  });
}

/** The message that replaces all regions. */
export function encodeTable(regions: readonly WireRegion[], needReply: boolean): Buffer {
  const length = 8 + regions.length * REGION_BYTES;
  const message = Buffer.alloc(HEADER_BYTES + length);
  putHeader(message, 0, REQUEST.SET_MEM_TABLE, length, needReply);
  message.writeUInt32LE(regions.length, HEADER_BYTES);
  regions.forEach((region, index) => {
    putRegion(message, HEADER_BYTES + 8 + index * REGION_BYTES, region);
  });
  return message;
}

/**
 * The "user address" of a region is only a token: a back end finds rings by it and nobody accesses memory there. It is unique, because
 * mappings do not overlap, and never 0, which some back ends take for "not set".
 */
export const USER_ADDRESS_BASE = 1n << 44n;

const PAGES_OF_BASE = 2 ** 32;
const PAGES_IN_2_32 = 2 ** 20;

function putRegion(into: Buffer, at: number, { range, fileOffset }: WireRegion): void {
  putPages(into, at, range.startPage);
  putPages(into, at + 8, range.endPage - range.startPage);
  putPages(into, at + 16, range.startPage + PAGES_OF_BASE);
  into.writeBigUInt64LE(fileOffset, at + 24);
}

/** Writes a number of pages in bytes, 64 bits. */
function putPages(into: Buffer, at: number, pages: number): void {
  into.writeUInt32LE((pages % PAGES_IN_2_32) * 4096, at);
  into.writeUInt32LE(Math.floor(pages / PAGES_IN_2_32), at + 4);
}

function putHeader(into: Buffer, at: number, request: number, length: number, needReply: boolean): void {
  into.writeUInt32LE(request, at);
  into.writeUInt32LE(needReply ? VERSION | NEED_REPLY : VERSION, at + 4);
  into.writeUInt32LE(length, at + 8);
}

/** Whether a whole message has the header of a reply to the request. */
export function isReplyTo(request: number, message: Buffer): boolean {
  const flags = message.readUInt32LE(4);
  return message.readUInt32LE(0) === request && (flags & VERSION_MASK) === VERSION && (flags & IS_REPLY) === IS_REPLY;
}

/** The payload of a whole message. */
export function payloadOf(message: Buffer): Buffer {
  return message.subarray(HEADER_BYTES);
}

/** The number of 64 bits that is the whole payload of a message; `undefined` if the payload is of another length. */
export function u64Of(message: Buffer): bigint | undefined {
  return message.length === HEADER_BYTES + 8 ? message.readBigUInt64LE(HEADER_BYTES) : undefined;
}

/** `'bits 5, 33'`. */
export function bitsText(bits: bigint): string {
  const numbers = Array.from({ length: 64 }, (_, bit) => bit).filter((bit) => ((bits >> BigInt(bit)) & 1n) === 1n);
  return `${numbers.length === 1 ? 'bit' : 'bits'} ${numbers.join(', ')}`;
}
