import { goneError, refusedError } from './connection-errors.js';
import type { Exchange, Expected } from './exchange.js';
import {
  encode,
  hasReply,
  mayHaveDescriptors,
  payloadOf,
  REQUEST,
  requestName,
  u64Of,
  type Outgoing,
} from './messages.js';

/** The answer to a request. */
export interface VhostUserReply {
  /** Without the header. Empty where the answer was an ack, or none was due. */
  readonly payload: Buffer;
  /**
   * The descriptors that came with it, which the caller has to close. Only replies to POSTCOPY_ADVISE (28), GET_INFLIGHT_FD (31),
   * GET_SHARED_OBJECT (41) and SET_DEVICE_STATE_FD (42) have some; those that come with any other answer are closed.
   */
  readonly fds: readonly number[];
}

const NOTHING: VhostUserReply = { payload: Buffer.alloc(0), fds: [] };
const EMPTY = new Uint8Array(0);
const NO_NUMBERS: readonly number[] = [];
const NO_NUMBER = 'a payload that is not a number of 64 bits';

/**
 * Sends one request.
 *
 * @returns its reply, also after an ack of 0
 * @throws DmaError `EIO` if the back end refuses it; `ERR_TARGET_GONE`
 */
export function ask(
  exchange: Exchange,
  request: number,
  payload: Uint8Array = EMPTY,
  fds?: readonly number[],
): Promise<VhostUserReply> {
  return new Promise((resolve, reject) => {
    if (exchange.end !== undefined) {
      throw goneError(exchange, exchange.end);
    }
    const replies = hasReply(request);
    const acked = !replies && exchange.acks;
    const message: Outgoing = {
      data: encode(request, payload, acked),
      ...(fds === undefined || fds.length === 0 ? {} : { fds }),
    };
    const fail: Expected['fail'] = (reason) => {
      reject(goneError(exchange, reason));
    };
    if (replies || acked) {
      const take: Expected['take'] = replies
        ? (answer) => {
            const received = mayHaveDescriptors(request) ? answer.takeDescriptors() : NO_NUMBERS;
            resolve({ payload: payloadOf(answer.data), fds: received });
            return undefined;
          }
        : ({ data }) => {
            const ack = u64Of(data);
            if (ack === 0n) {
              resolve(NOTHING);
            } else if (ack !== undefined) {
              reject(refusedError(exchange.path, request, ack));
            }
            return ack === undefined ? NO_NUMBER : undefined;
          };
      void exchange.send([message], request, { request, count: 1, take, fail });
      return;
    }
    void Promise.resolve(exchange.send([message], request)).then(() => {
      if (exchange.end === undefined) {
        resolve(NOTHING);
      } else {
        fail(exchange.end);
      }
    });
  });
}

/** As `ask`, for a request whose reply is a number. */
export async function askNumber(exchange: Exchange, request: number): Promise<bigint> {
  const { payload } = await ask(exchange, request);
  if (payload.length !== 8) {
    throw exchange.breakOff(`sent ${NO_NUMBER} as an answer to ${requestName(request)}`);
  }
  return payload.readBigUInt64LE();
}

const BARRIER: Outgoing = { data: encode(REQUEST.GET_FEATURES, EMPTY, false) };

/**
 * Sends messages of the same kind, which have no reply of their own, together.
 *
 * An ack of 0 is no proof: back ends of libvhost-user send it also for a request that fails, and then close the connection. After a barrier,
 * the messages have been processed. Without acks there always is one.
 *
 * @param barrier whether a request with a reply follows them; resolves when that is answered
 * @returns the indexes of the messages that the back end has refused, ascending
 * @throws DmaError `ERR_TARGET_GONE`
 */
export function sendAll(
  exchange: Exchange,
  request: number,
  messages: readonly Outgoing[],
  barrier: boolean,
): Promise<readonly number[]> {
  return new Promise((resolve, reject) => {
    if (exchange.end !== undefined) {
      throw goneError(exchange, exchange.end);
    }
    const fail: Expected['fail'] = (reason) => {
      reject(goneError(exchange, reason));
    };
    const count = messages.length;
    const withBarrier = barrier || !exchange.acks;
    let refused: number[] | undefined;
    const acks: Expected = {
      request,
      count,
      take({ data }, index) {
        const ack = u64Of(data);
        if (ack === undefined) {
          return NO_NUMBER;
        }
        if (ack !== 0n) {
          (refused ??= []).push(index);
        }
        if (!withBarrier && index === count - 1) {
          resolve(refused ?? NO_NUMBERS);
        }
        return undefined;
      },
      fail,
    };
    const last: Expected = {
      request: REQUEST.GET_FEATURES,
      count: 1,
      take() {
        resolve(refused ?? NO_NUMBERS);
        return undefined;
      },
      fail,
    };
    void exchange.send(
      withBarrier ? [...messages, BARRIER] : messages,
      request,
      ...(exchange.acks && count > 0 ? [acks] : []),
      ...(withBarrier ? [last] : []),
    );
  });
}

/** Resolves when the back end has processed all that was sent. Throws as `sendAll`. */
export async function sendBarrier(exchange: Exchange): Promise<void> {
  await sendAll(exchange, exchange.lastRequest, [], true);
}
