import { DmaError } from '../../streams/index.js';
import type { Exchange } from './exchange.js';
import { bitsText, PROTOCOL_FEATURE, REQUEST, SERVED_PROTOCOL_FEATURES, u64, VIRTIO_FEATURE } from './messages.js';
import { ask, askNumber, sendBarrier } from './requests.js';

/** What was agreed with a back end. */
export interface Agreement {
  /** Virtio features. */
  readonly features: bigint;
  readonly protocolFeatures: bigint;
  /** Absent where regions are sent as a table. */
  readonly maxSlots: number | undefined;
}

/**
 * Agrees on features: all virtio features that are wanted, and the protocol features that are offered and served.
 *
 * @param wanted virtio features; bits 30 and 32 are added where they are offered
 * @throws DmaError `EOPNOTSUPP` if one is not offered; `EIO`; `ERR_TARGET_GONE`
 */
export async function negotiate(exchange: Exchange, wanted: bigint): Promise<Agreement> {
  const offered = await askNumber(exchange, REQUEST.GET_FEATURES);
  checkOffer(exchange.path, wanted, offered);
  await ask(exchange, REQUEST.SET_OWNER);
  const hasProtocolFeatures = (offered & VIRTIO_FEATURE.PROTOCOL_FEATURES) !== 0n;
  let protocolFeatures = 0n;
  if (hasProtocolFeatures) {
    protocolFeatures = (await askNumber(exchange, REQUEST.GET_PROTOCOL_FEATURES)) & SERVED_PROTOCOL_FEATURES;
    await ask(exchange, REQUEST.SET_PROTOCOL_FEATURES, u64(protocolFeatures));
    exchange.acks = (protocolFeatures & PROTOCOL_FEATURE.REPLY_ACK) !== 0n;
  }
  const features = wanted | (offered & (VIRTIO_FEATURE.PROTOCOL_FEATURES | VIRTIO_FEATURE.VERSION_1));
  await ask(exchange, REQUEST.SET_FEATURES, u64(features));
  const hasSlots = (protocolFeatures & PROTOCOL_FEATURE.CONFIGURE_MEM_SLOTS) !== 0n;
  const maxSlots = hasSlots ? Number(await askNumber(exchange, REQUEST.GET_MAX_MEM_SLOTS)) : undefined;
  await sendBarrier(exchange);
  return { features, protocolFeatures, maxSlots };
}

function checkOffer(path: string, wanted: bigint, offered: bigint): void {
  const absent = wanted & ~offered;
  if (absent !== 0n) {
    throw new DmaError(`the back end at "${path}" does not offer the virtio features ${bitsText(absent)}`, {
      code: 'EOPNOTSUPP',
      request: 'VHOST_USER_GET_FEATURES',
      hint: `It offers ${bitsText(offered)}. Ask for fewer features, or start the back end with options that enable them.`,
    });
  }
}
