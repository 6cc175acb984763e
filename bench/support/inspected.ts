import { get, type IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { serveInspector, type Inspector } from '../../inspect/index.js';
import type { RegionManager } from '../../streams/index.js';

/** More than a tick of the inspector, in milliseconds. */
const QUIET_MS = 300;

/** An open page of an inspector, which takes all that it is sent, and does nothing with it. */
export class OpenPage {
  readonly #inspector: Inspector;
  readonly #response: IncomingMessage;
  bytes = 0;

  private constructor(inspector: Inspector, response: IncomingMessage) {
    this.#inspector = inspector;
    this.#response = response;
  }

  /** @returns a page that has the whole state */
  static async of(manager: RegionManager): Promise<OpenPage> {
    const inspector = await serveInspector(manager);
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      get(new URL('events', inspector.url), { agent: false }, resolve).on('error', reject);
    });
    const page = new OpenPage(inspector, response);
    await new Promise<void>((resolve) => {
      let end = '';
      response.on('data', (chunk: Buffer) => {
        page.bytes += chunk.byteLength;
        end = (end + chunk.toString('latin1')).slice(-64);
        if (end.includes('"ready"')) {
          resolve();
        }
      });
    });
    page.bytes = 0;
    return page;
  }

  /** Waits until nothing more comes. */
  async settled(): Promise<void> {
    for (let before = -1; before !== this.bytes;) {
      before = this.bytes;
      await sleep(QUIET_MS);
    }
  }

  async close(): Promise<void> {
    this.#response.destroy();
    await this.#inspector.close();
  }
}
