import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface DroppingServer extends AsyncDisposable {
  readonly url: string;
}

/** Serves the files of the page of an inspector, and streams of events that end after their first message. Calls `opened` for each of them. */
export async function droppingServer(inspector: string, opened: () => void): Promise<DroppingServer> {
  const server = createServer((request, response) => {
    if (request.url === '/events') {
      opened();
      const start = { type: 'start', protocol: 1, server: 'dropping', description: 'it drops', at: Date.now() };
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      response.end(`data: ${JSON.stringify(start)}\n\n`);
      return;
    }
    void fetch(new URL(request.url ?? '/', inspector)).then(async (file) => {
      response.writeHead(file.status, { 'Content-Type': file.headers.get('Content-Type') ?? 'text/plain' });
      response.end(await file.text());
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port.toString()}/`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
