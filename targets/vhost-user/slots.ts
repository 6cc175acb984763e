import type { Exchange } from './exchange.js';
import { encodeSlots, REQUEST, requestName } from './messages.js';
import type { BackEndMemory, SharedRegion } from './back-end-memory.js';
import { sendAll } from './requests.js';

/** Regions that are added and removed one by one: CONFIGURE_MEM_SLOTS was agreed. */
export class Slots implements BackEndMemory {
  readonly limit: number;
  readonly addRequest = requestName(REQUEST.ADD_MEM_REG);
  readonly removeRequest = requestName(REQUEST.REM_MEM_REG);
  readonly #exchange: Exchange;

  constructor(exchange: Exchange, limit: number) {
    this.#exchange = exchange;
    this.limit = limit;
  }

  async add(regions: readonly SharedRegion[]): Promise<number> {
    const messages = encodeSlots(REQUEST.ADD_MEM_REG, regions, this.#exchange.acks);
    const refused = await sendAll(
      this.#exchange,
      REQUEST.ADD_MEM_REG,
      messages.map((data, index) => ({ data, fds: [(regions[index] as SharedRegion).file.fd] })),
      true,
    );
    const [first] = refused;
    if (first === undefined) {
      return regions.length;
    }
    // All were sent at once: those after the first refused one are taken back.
    const isRefused = new Set(refused);
    const surplus = regions.filter((_, index) => index > first && !isRefused.has(index));
    if (surplus.length > 0 && (await this.remove(surplus, true)).length > 0) {
      throw this.#exchange.breakOff('refused to remove regions that it had just added');
    }
    return first;
  }

  remove(regions: readonly SharedRegion[], barrier: boolean): Promise<readonly number[]> {
    const messages = encodeSlots(REQUEST.REM_MEM_REG, regions, this.#exchange.acks);
    return sendAll(
      this.#exchange,
      REQUEST.REM_MEM_REG,
      messages.map((data) => ({ data })),
      barrier,
    );
  }
}
