import { DmaError, type RegionManager } from '../../streams/index.js';
import { checkManager } from '../../streams/internal.js';
import { urlOf } from './http/allowed-requests.js';
import { HttpServer } from './http/http-server.js';
import { listenError } from './http/listen-error.js';
import { readPageFiles } from './http/page-files.js';
import { checkedOptions, type InspectorOptions } from './inspector-options.js';
import { Pages } from './pages.js';

/** A page that shows a manager, and its web server. */
export interface Inspector extends AsyncDisposable {
  /** Address of the page for a browser on this machine: `'http://127.0.0.1:40123/'`. */
  readonly url: string;
  /**
   * Tells the open pages that there is nothing more to come, and ends the server and its connections, within two seconds. Never rejects. Has no
   * effect when it is closed, or closes itself because the manager has been closed: every call returns the same promise.
   */
  close(): Promise<void>;
}

/**
 * Serves a page that shows a manager in a browser, live: the address space to scale, regions with what covers them, what each target holds and what is
 * stuck or missing there, and the log of change sets, with errors and hints. It changes nothing.
 *
 * Cost: none while no page is open: no timer runs, and only what goes wrong is noted, for pages that are opened later. With pages open, a change
 * costs at most 1.2 times as much: a few sets are seen one by one; when more come, pages are told of what has changed by them, and of failures,
 * but not of each set. At most 32 pages may be open. One that has more than 8 MiB to read is dropped, never waited for; it may connect again.
 *
 * Security: everybody who can connect sees names and addresses, without a password. By default this is every user of this machine, and nobody
 * else. Requests by a name of the machine that is not known are refused (see `InspectorOptions.allowedHosts`), and so are those of other web pages.
 *
 * The end: the server keeps the process running until it is closed. When the manager is closed, open pages are told of what has changed last, and the
 * server closes itself.
 *
 * @returns when the server listens
 * @throws TypeError or RangeError for a wrong argument; DmaError `ERR_CLOSED` for a manager that has been closed, or with the code of the system
 * when the server cannot listen (`EADDRINUSE`, `EACCES`, `EADDRNOTAVAIL`, `ENOTFOUND`), with a hint; Error when the files of the page are not there
 *
 * @example
 * ```ts
 * import { RegionManager } from 'dma-streams';
 * import { serveInspector } from 'dma-streams/inspect';
 *
 * await using manager = new RegionManager();
 * await using inspector = await serveInspector(manager);
 * console.log(`open ${inspector.url} in a browser`);
 * ```
 */
export async function serveInspector(manager: RegionManager, options: InspectorOptions = {}): Promise<Inspector> {
  checkManager(manager, 'serveInspector');
  const checked = checkedOptions(options);
  const files = await readPageFiles();
  const pages = new Pages(manager, checked);
  const server = new HttpServer(files, pages);
  let closing: Promise<void> | undefined;
  const state = { isManagerClosed: false };
  const end = async (): Promise<void> => {
    subscription.unsubscribe();
    try {
      await pages.close();
    } finally {
      await server.close();
    }
  };
  const close = (): Promise<void> => (closing ??= end());
  // It says that the manager has been closed; a subscription to it costs nothing.
  const subscription = manager.warnings$.subscribe({
    complete: () => {
      state.isManagerClosed = true;
      if (server.isListening) {
        void close();
      }
    },
    error: () => undefined,
  });
  try {
    if (!state.isManagerClosed) {
      await server.listen(checked);
    }
  } catch (error) {
    await close();
    throw listenError(error, checked);
  }
  if (state.isManagerClosed) {
    await close();
    throw new DmaError('the manager has been closed: there is nothing to show', {
      code: 'ERR_CLOSED',
      hint: 'serve a manager before it is closed',
    });
  }
  return { url: urlOf(server.address), close, [Symbol.asyncDispose]: close };
}
