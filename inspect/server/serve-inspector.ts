import type { RegionManager } from '../../streams/index.js';
import { urlOf } from './http/allowed-requests.js';
import { HttpServer } from './http/http-server.js';
import { checkedOptions, checkManager, type InspectorOptions } from './inspector-options.js';
import { listenError } from './http/listen-error.js';
import { readPageFiles } from './http/page-files.js';
import { Pages } from './pages.js';

/** A page that shows a manager, and its web server. */
export interface Inspector extends AsyncDisposable {
  /** Address of the page for a browser on this machine: `'http://127.0.0.1:40123/'`. */
  readonly url: string;
  /** Tells the pages that there is nothing more to come, and ends the server and its connections. Calling it again has no effect. */
  close(): Promise<void>;
}

export async function serveInspector(manager: RegionManager, options: InspectorOptions = {}): Promise<Inspector> {
  checkManager(manager);
  const checked = checkedOptions(options);
  const files = await readPageFiles();
  const pages = new Pages(manager, checked);
  const server = new HttpServer(files, (response) => pages.open(response));
  try {
    await server.listen(checked);
  } catch (error) {
    throw listenError(error, checked);
  }
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= pages.close().then(() => server.close());
    return closing;
  };
  const closed = manager.warnings$.subscribe({ complete: () => void close(), error: () => undefined });
  return {
    url: urlOf(server.address),
    close: () => {
      closed.unsubscribe();
      return close();
    },
    [Symbol.asyncDispose]: close,
  };
}
