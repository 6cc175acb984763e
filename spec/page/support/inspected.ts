import { expect } from 'chai';
import type { Browser } from 'puppeteer-core';
import { serveInspector, type Inspector, type InspectorOptions } from '../../../inspect/index.js';
import type { RegionManager } from '../../../streams/index.js';
import { startChromium } from '../../../lab/chromium.js';
import { OpenedPage, type PageOptions } from './opened-page.js';

let browser: Promise<Browser> | undefined;

// One for all files.
after(async () => {
  await (await browser)?.close();
});

/** Opens a page in the browser of the specs. */
export async function openPage(url: string, options?: PageOptions): Promise<OpenedPage> {
  browser ??= startChromium();
  return OpenedPage.open(await browser, url, options);
}

/** A manager, the server of its inspector, and a page that shows it. At the end there must be no fault in the page, whatever the spec is about. */
export class Inspected implements AsyncDisposable {
  readonly manager: RegionManager;
  readonly inspector: Inspector;
  readonly opened: OpenedPage;

  private constructor(manager: RegionManager, inspector: Inspector, opened: OpenedPage) {
    this.manager = manager;
    this.inspector = inspector;
    this.opened = opened;
  }

  static async open(
    manager: RegionManager,
    { page, ...options }: InspectorOptions & { readonly page?: PageOptions } = {},
  ): Promise<Inspected> {
    const inspector = await serveInspector(manager, { description: 'a machine', ...options });
    const opened = await openPage(inspector.url, page);
    await opened.until(
      () => opened.data('#connection', 'phase'),
      (phase) => phase === 'connected',
      'the connection',
    );
    return new Inspected(manager, inspector, opened);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.opened[Symbol.asyncDispose]();
    await this.inspector.close();
    // What is stuck at a target that fails on plan, stays so.
    await this.manager.close().catch(() => undefined);
    expect(this.opened.faults).to.deep.equal([]);
  }
}
