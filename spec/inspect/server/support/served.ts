import { urlOf } from '../../../../inspect/server/http/allowed-requests.js';
import { HttpServer } from '../../../../inspect/server/http/http-server.js';
import { readPageFiles } from '../../../../inspect/server/http/page-files.js';
import { checkedOptions } from '../../../../inspect/server/inspector-options.js';
import { Pages } from '../../../../inspect/server/pages.js';
import type { RegionManager } from '../../../../streams/index.js';

/** The parts of an inspector, with other times than those of `serveInspector`. */
export interface Served extends AsyncDisposable {
  readonly pages: Pages;
  readonly url: string;
}

export async function serve(manager: RegionManager, times: ConstructorParameters<typeof Pages>[2]): Promise<Served> {
  const options = checkedOptions({});
  const pages = new Pages(manager, options, times);
  const server = new HttpServer(await readPageFiles(), pages);
  await server.listen(options);
  return {
    pages,
    url: urlOf(server.address),
    [Symbol.asyncDispose]: async () => {
      await pages.close();
      await server.close();
    },
  };
}
