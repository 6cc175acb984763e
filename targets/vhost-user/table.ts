import { Memfd } from '../../binding/index.js';
import { MemoryRange } from '../../streams/index.js';
import { PAGE_SIZE } from '../../streams/internal.js';
import type { BackEndMemory, SharedRegion } from './back-end-memory.js';
import type { Exchange } from './exchange.js';
import { encodeTable, REQUEST, requestName, TABLE_REGIONS_MAX } from './messages.js';
import { sendAll } from './requests.js';

/** A region of the table. Its file stays open here, because each change sends all of them again. */
interface Row extends SharedRegion {
  readonly file: Memfd;
}

/**
 * Where a table without regions is "mapped". Back ends of rust-vmm refuse an empty table, and close the connection; one with a page that nobody
 * else uses has the same effect.
 */
const PLACEHOLDER = MemoryRange.ofLength((1n << 52n) - PAGE_SIZE, PAGE_SIZE);

/** Regions that are sent as a table, all of them at each change. */
export class Table implements BackEndMemory {
  readonly limit = TABLE_REGIONS_MAX;
  readonly addRequest = requestName(REQUEST.SET_MEM_TABLE);
  readonly removeRequest = this.addRequest;
  readonly #exchange: Exchange;
  #rows: readonly Row[] = [];
  #placeholder: Row | undefined;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
  }

  async add(regions: readonly SharedRegion[]): Promise<number> {
    const added: Row[] = [];
    let isDone = false;
    try {
      for (const { range, fileOffset, file } of regions) {
        added.push({ range, fileOffset, file: Memfd.from(file.fd, `guest memory at ${range}`) });
      }
      isDone = await this.#replace([...this.#rows, ...added], true);
    } finally {
      if (!isDone) {
        closeAll(added);
      }
    }
    return isDone ? regions.length : 0;
  }

  async remove(regions: readonly SharedRegion[], barrier: boolean): Promise<readonly number[]> {
    const isRemoved = (row: Row): boolean => regions.some(({ range }) => range.equals(row.range));
    const removed = this.#rows.filter(isRemoved);
    const isDone = await this.#replace(
      this.#rows.filter((row) => !isRemoved(row)),
      barrier,
    );
    if (!isDone) {
      return regions.map((_, index) => index);
    }
    closeAll(removed);
    return [];
  }

  /** Closes the files. To be called when the connection has ended. */
  close(): void {
    closeAll(this.#rows);
    closeAll(this.#placeholder === undefined ? [] : [this.#placeholder]);
    this.#rows = [];
    this.#placeholder = undefined;
  }

  /** @returns whether the back end has taken the table; otherwise the one before stays in force */
  async #replace(rows: readonly Row[], barrier: boolean): Promise<boolean> {
    const sent = rows.length === 0 ? [this.#getPlaceholder()] : rows;
    const message = { data: encodeTable(sent, this.#exchange.acks), fds: sent.map(({ file }) => file.fd) };
    const refused = await sendAll(this.#exchange, REQUEST.SET_MEM_TABLE, [message], barrier);
    if (refused.length > 0) {
      return false;
    }
    this.#rows = rows;
    return true;
  }

  #getPlaceholder(): Row {
    return (this.#placeholder ??= {
      range: PLACEHOLDER,
      fileOffset: 0n,
      file: Memfd.create('no guest memory', PAGE_SIZE),
    });
  }
}

function closeAll(rows: readonly Row[]): void {
  for (const { file } of rows) {
    file.close();
  }
}
