import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { PAGES_MAX, type Pages } from '../../../inspect/server/pages.js';
import { RegionManager, type Region } from '../../../streams/index.js';
import { addRegion, mapping } from '../../streams/support/phrases.js';
import { differences } from './support/differences.js';
import { EventReader } from './support/event-reader.js';
import { ask } from './support/http.js';
import { serve, type Served } from './support/served.js';

describe('the streams of events of an inspector', () => {
  let manager: RegionManager;
  let pages: Pages;
  let served: Served;
  let url: string;
  const open: (Disposable | Socket)[] = [];

  beforeEach(async () => {
    manager = new RegionManager();
    served = await serve(manager, { heartbeat: 10 });
    ({ pages, url } = served);
  });

  afterEach(async () => {
    for (const one of open.splice(0)) {
      if (one instanceof EventReader) {
        one[Symbol.dispose]();
      } else {
        (one as Socket).destroy();
      }
    }
    await served[Symbol.asyncDispose]();
    await manager.close();
  });

  async function reader(): Promise<EventReader> {
    const made = await EventReader.ready(url);
    open.push(made);
    return made;
  }

  /** A client that asks for the events and reads none of them. */
  async function idleClient(): Promise<Socket> {
    const { host, hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    socket.pause();
    await once(socket, 'connect');
    socket.on('error', () => undefined);
    const before = pages.count;
    socket.write(`GET /events HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    while (pages.count === before) {
      await sleep(1);
    }
    open.push(socket);
    return socket;
  }

  /** A region with many mappings. */
  async function many(count: number): Promise<Region> {
    const region = await addRegion(manager, 0x0, 2 ** 40);
    await manager.transaction((edit) => {
      for (let index = 0; index < count; index++) {
        edit.addMapping(region, mapping(index * 0x2000, index * 0x2000 + 0x1000));
      }
    });
    return region;
  }

  it('are one for each page, all with the same', async () => {
    const [one, other] = [await reader(), await reader()];
    await many(10);
    await Promise.all([one, other].map((each) => each.until(() => each.copy.mappings.size === 10)));
    const last = await reader();
    for (const { copy } of [one, other, last]) {
      expect(differences(copy, manager)).to.deep.equal([]);
    }
    expect(one.copy.log).to.deep.equal(other.copy.log);
    expect(last.copy.log).to.deep.equal(one.copy.log);
    expect(one.copy.start?.server).to.equal(other.copy.start?.server);
  });

  it('have a comment now and then, so that nobody takes the connection for dead', async () => {
    const one = await reader();
    const before = one.comments.length;
    await one.until(() => one.comments.length >= before + 3);
    expect(new Set(one.comments)).to.deep.equal(new Set([':']));
  });

  it(`are at most ${PAGES_MAX}; one more is refused until one has ended`, async () => {
    const all = await Promise.all(Array.from({ length: PAGES_MAX }, () => reader()));
    const { status, body } = await ask(url, { path: '/events' });
    expect(status).to.equal(503);
    expect(body).to.include(`${PAGES_MAX} pages are open`);
    expect((await ask(url, { path: '/events', method: 'HEAD' })).status).to.equal(503);
    expect((await ask(url)).status).to.equal(200);
    all[0]?.[Symbol.dispose]();
    while (pages.count === PAGES_MAX) {
      await sleep(1);
    }
    await reader();
  });

  it('are one on a connection, however often it asks, and end with it', async () => {
    const { host, hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    socket.write(`GET /events HTTP/1.1\r\nHost: ${host}\r\n\r\n`.repeat(40));
    await once(socket, 'data');
    expect(pages.count).to.equal(1);
    socket.destroy();
    while (pages.count > 0) {
      await sleep(1);
    }
  });

  it('have the whole state before the last message, when the server ends while it is sent', async () => {
    await many(50_000);
    const one = await EventReader.open(url);
    open.push(one);
    await one.until(() => one.copy.mappings.size > 0);
    expect(one.copy.isReady).to.equal(false);
    await pages.close();
    await one.until(() => one.isEnded);
    expect(one.copy.mappings.size).to.equal(50_000);
    expect(one.messages.slice(-2)).to.deep.equal([{ type: 'ready' }, { type: 'end' }]);
  });

  it('end with the server, after a last message', async () => {
    const one = await reader();
    await pages.close();
    await one.until(() => one.isEnded);
    expect(one.messages.at(-1)).to.deep.equal({ type: 'end' });
    const { status, body } = await ask(url, { path: '/events' });
    expect(status).to.equal(503);
    expect(body).to.include('being closed');
  });

  it('send a large state in messages of limited length, also while it changes', async () => {
    const region = await many(5_000);
    const opened = EventReader.open(url);
    const removing = region.removeMappings(mapping(0x0, 0x2000 * 1_000).rangeInRegion);
    const one = await opened;
    open.push(one);
    await removing;
    await one.until(() => one.copy.isReady && differences(one.copy, manager).length === 0);
    const lengths = one.messages.map((message) => JSON.stringify(message).length);
    expect(Math.max(...lengths)).to.be.below(150_000);
  });

  it('drop a client that does not read when too much waits for it, and wait for nobody', async function () {
    this.timeout(120_000);
    const region = await many(30_000);
    await idleClient();
    const [reading] = [await reader()];
    let writable = true;
    // Each round sends some megabytes: the kernel takes a few of them for the client.
    for (let round = 0; round < 100 && pages.count === 2; round++) {
      writable = !writable;
      await region.map({ writable });
      await reading.until(() => reading.copy.mappingList.every((one) => one.writable === writable));
    }
    expect(pages.count).to.equal(1);
    expect(differences(reading.copy, manager)).to.deep.equal([]);
    await reader();
  });

  it('keep little for a client that does not read, and has not got its state', async function () {
    this.timeout(60_000);
    await many(200_000);
    const before = process.memoryUsage();
    const clients = await Promise.all(Array.from({ length: 8 }, () => idleClient()));
    await reader();
    const after = process.memoryUsage();
    expect(pages.count).to.equal(clients.length + 1);
    // The state is 16 MB for each of them.
    expect(after.external + after.arrayBuffers - before.external - before.arrayBuffers).to.be.below(32 * 2 ** 20);
  });
});
