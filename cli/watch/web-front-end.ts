import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { serveInspector } from '../../inspect/index.js';
import { complaint } from '../complain.js';
import { reasonOf } from '../errors.js';
import { fold } from '../output/fold.js';
import { terminalOf } from '../output/terminal.js';
import type { WatchSession } from './session.js';
import type { WebAddress } from './web-address.js';

/**
 * Follows the source, and shows it as a page for browsers, until the signal is aborted: also when the source has ended.
 *
 * @param ending is called when it begins to end
 * @throws DmaError if the page cannot be served there
 */
export async function showInBrowser(
  session: WatchSession,
  address: WebAddress,
  { signal, ending }: { readonly signal: AbortSignal; readonly ending: () => void },
): Promise<void> {
  const { manager, description, status$, problems$ } = session;
  const page = await serveInspector(manager, { ...address, description, status$, problems$ });
  try {
    if (!(await isLoopback(address.host))) {
      const { port } = new URL(page.url);
      tell(
        `warning: who can reach port ${port} of this machine sees the memory map; without a host, --web serves this machine alone`,
      );
    }
    const { limit } = terminalOf(process.stdout, process.env);
    process.stdout.write(`${fold(`Serving ${page.url} until Ctrl-C`, limit).join('\n')}\n`);
    await session.run(signal);
    if (!signal.aborted) {
      const { error } = session.status;
      const what = error === undefined ? 'the source has ended' : reasonOf(error);
      tell(`${what}; the page is served until Ctrl-C`);
      await once(signal, 'abort');
    }
    ending();
  } finally {
    await page.close();
  }
}

async function isLoopback(host: string): Promise<boolean> {
  const { address } = await lookup(host);
  return address === '::1' || address.startsWith('127.');
}

function tell(message: string): void {
  process.stderr.write(complaint(message, process.stderr));
}
