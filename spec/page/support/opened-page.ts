import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser, BrowserContext, Page } from 'puppeteer-core';

export interface PageOptions {
  /** In pixels of CSS. */
  readonly width?: number;
  readonly height?: number;
  readonly scheme?: 'light' | 'dark';
  readonly scale?: number;
}

/** In milliseconds: how long the page may take to show something. */
const PATIENCE = 15_000;

/**
 * A page in a browser that remembers nothing of others, and what went wrong in it: errors on its console, violations of its content
 * security policy, requests to other hosts.
 */
export class OpenedPage implements AsyncDisposable {
  readonly page: Page;
  readonly faults: string[] = [];
  /** URLs, in order. */
  readonly requests: string[] = [];
  readonly #context: BrowserContext;

  private constructor(context: BrowserContext, page: Page) {
    this.#context = context;
    this.page = page;
  }

  static async open(browser: Browser, url: string, options: PageOptions = {}): Promise<OpenedPage> {
    const { width = 1280, height = 800, scale = 1, scheme = 'light' } = options;
    const context = await browser.createBrowserContext();
    const page = await context.newPage();
    await page.emulateTimezone('UTC');
    await page.setViewport({ width, height, deviceScaleFactor: scale });
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
    const opened = new OpenedPage(context, page);
    const { origin, protocol } = new URL(url);
    await opened.#listen(protocol === 'file:' ? 'file://' : origin);
    await page.goto(url, { waitUntil: 'domcontentloaded' });
    return opened;
  }

  async #listen(origin: string): Promise<void> {
    const { page, faults, requests } = this;
    page.on('console', (message) => {
      // What the browser says of a connection that was lost is no fault of the page.
      if (
        message.type() === 'error' &&
        !/net::ERR_(CONNECTION_REFUSED|INCOMPLETE|CONNECTION_RESET|EMPTY)/.test(message.text())
      ) {
        faults.push(`console: ${message.text()}`);
      }
    });
    page.on('pageerror', (error) => {
      faults.push(`error: ${String(error)}`);
    });
    await page.exposeFunction('tellViolation', (text: string) => {
      faults.push(`content security policy: ${text}`);
    });
    await page.evaluateOnNewDocument(`document.addEventListener('securitypolicyviolation', (event) => {
      tellViolation(event.violatedDirective + ' ' + event.blockedURI);
    })`);
    await page.setRequestInterception(true);
    page.on('request', (request) => {
      const target = request.url();
      requests.push(target);
      if (target.startsWith(`${origin}/`) || target.startsWith('data:')) {
        void request.continue();
      } else {
        faults.push(`request: ${target}`);
        void request.abort();
      }
    });
  }

  /** What is shown. */
  async text(): Promise<string> {
    return this.evaluate('document.body.innerText');
  }

  /** Resolves with what was read when it is right. */
  async until<T>(read: () => Promise<T>, isRight: (value: T) => boolean, what = 'what is expected'): Promise<T> {
    const deadline = Date.now() + PATIENCE;
    for (;;) {
      const value = await read();
      if (isRight(value)) {
        return value;
      }
      if (Date.now() > deadline) {
        throw new Error(`${what} does not come; there is ${JSON.stringify(value).slice(0, 4000)}`);
      }
      await sleep(20);
    }
  }

  /** The value of an expression in the page. */
  async evaluate<T>(expression: string): Promise<T> {
    return (await this.page.evaluate(expression)) as T;
  }

  /** The text of an element, `''` if it is not there. */
  async textOf(selector: string): Promise<string> {
    return this.evaluate(`document.querySelector(${JSON.stringify(selector)})?.innerText ?? ''`);
  }

  /** Resolves with the text of an element when it matches. */
  async untilTextOf(selector: string, pattern: RegExp): Promise<string> {
    return this.until(
      () => this.textOf(selector),
      (text) => pattern.test(text),
      `${String(pattern)} in ${selector}`,
    );
  }

  /** What an element says in one of its `data-` attributes, `''` if there is none. */
  async data(selector: string, name: string): Promise<string> {
    return this.evaluate(`document.querySelector(${JSON.stringify(selector)})?.dataset[${JSON.stringify(name)}] ?? ''`);
  }

  /** The window of the drawing, in pages: the first one, and the one after the last. */
  async window(): Promise<readonly [start: number, end: number]> {
    const [start = NaN, end = NaN] = (await this.data('#drawing', 'window')).split(' ').map(Number);
    return [start, end];
  }

  /** Resolves when nothing is drawn any more. What stands out is drawn each half second until it is calm. */
  async untilCalm(): Promise<void> {
    let before = '';
    await this.until(
      async () => {
        const [drawn, calm] = [await this.data('#drawing', 'redraws'), before];
        before = drawn;
        await sleep(200);
        return drawn !== '' && drawn === calm;
      },
      (isCalm) => isCalm,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#context.close();
  }
}
