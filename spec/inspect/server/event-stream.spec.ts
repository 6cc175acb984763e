import { createServer, get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { EventStream } from '../../../inspect/server/http/event-stream.js';

const COUNT = 500;
const LENGTH = 64 * 1024;

describe('EventStream.end', () => {
  it('sends what is being sent first, however late it is read', async () => {
    let ended: Promise<void> | undefined;
    const server = createServer((_request, response) => {
      const stream = new EventStream(response);
      const messages = Array.from({ length: COUNT }, (_, index) => ({ index, filling: 'x'.repeat(LENGTH) }));
      stream.sendAll(messages.values());
      ended = stream.end(Buffer.from('last'));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const response = await new Promise<IncomingMessage>((resolve) => {
      get({ port, host: '127.0.0.1', agent: false }, resolve);
    });
    const events = (await text(response)).split('\n\n');
    expect(events).to.have.length(COUNT + 1);
    expect(events.at(-1)).to.equal('last');
    await ended;
    server.close();
  });
});
