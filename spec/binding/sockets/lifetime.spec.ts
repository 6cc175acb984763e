import { existsSync } from 'node:fs';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { firstValueFrom } from 'rxjs';
import { Memfd } from '../../../binding/index.js';
import { BINDING, runChild } from '../support/child.js';
import { openDescriptors } from '../support/descriptors.js';
import { message, SocketFolder, SocketPair } from '../support/sockets.js';

const SUPPORT = new URL('../support/sockets.js', import.meta.url).href;

/** In a program given as text: all that the programs below use. */
const PROGRAM = `
  const { DescriptorSocket, EventFd, Memfd } = await import(${JSON.stringify(BINDING)});
  const { FRAMING: framing, message, SocketPair, RawPeer } = await import(${JSON.stringify(SUPPORT)});
  const descriptors = () => readdirSync('/proc/self/fd').length;`;

/** A worker that leaves everything open: messages that wait to be sent, to be read, and to be delivered. */
const LITTER = `
  const { parentPort } = await import('node:worker_threads');
  const { DescriptorSocket, EventFd, Memfd } = await import(${JSON.stringify(BINDING)});
  const { message, SocketPair } = await import(${JSON.stringify(SUPPORT)});
  const memfd = Memfd.create('litter', 4096n);
  const pair = await SocketPair.make();
  void pair.client.send(Array.from({ length: 50 }, (_, number) => ({ data: message(number, 30_000), fds: [memfd.fd] })));
  const event = EventFd.create();
  event.signals$.subscribe(() => {});
  pair.listener.connections$.subscribe(() => {});`;

describe('the lifetime of sockets', () => {
  it('2,000 messages with descriptors, in 100 connections, leave no descriptor behind', async () => {
    const before = openDescriptors();
    using memfd = Memfd.create('rounds', 4096n);
    for (let round = 0; round < 100; round += 1) {
      using pair = await SocketPair.make();
      const last = new Promise<void>((settle) => {
        let count = 0;
        pair.server.messages$.subscribe(() => {
          count += 1;
          if (count === 20) {
            settle();
          }
        });
      });
      for (let number = 0; number < 20; number += 1) {
        void pair.client.send([{ data: message(number), fds: [memfd.fd, memfd.fd] }]);
      }
      await last;
    }
    memfd.close();
    expect(openDescriptors()).to.equal(before);
  });

  it('goes on after a garbage collection, without a subscriber or with one', () => {
    const { stdout, stderr } = runChild(
      `${PROGRAM}
      const pair = await SocketPair.make();
      const collect = async () => { for (let round = 0; round < 5; round++) { gc(); await turn(); } };
      await collect();
      const first = new Promise((settle) => pair.server.messages$.subscribe(settle));
      await collect();
      pair.client.send([{ data: message(7) }]);
      console.log((await first).data.readUInt32LE());
      const accepted = new Promise((settle) => pair.listener.connections$.subscribe(settle));
      await collect();
      const client = await DescriptorSocket.connect(pair.folder.path(), { framing });
      (await accepted).close();
      client.close();
      pair[Symbol.dispose]();`,
      { flags: ['--expose-gc'] },
    );
    expect(stdout, stderr).to.equal('7');
  });

  it('ends when they are forgotten: descriptors are closed, and paths removed', () => {
    const { stdout, stderr } = runChild(
      `${PROGRAM}
      const { existsSync } = await import('node:fs');
      const memfd = Memfd.create('forgotten', 4096n);
      console.log('standard output has descriptors of its own, from its first use on');
      (await SocketPair.make())[Symbol.dispose](); // So have temporary folders.
      const before = descriptors();
      let path;
      async function forget() {
        const pair = await SocketPair.make();
        path = pair.folder.path();
        pair.client.send([1, 2, 3].map((number) => ({ data: message(number), fds: [memfd.fd, memfd.fd] })));
        // Two of the messages were read, and are not delivered.
        await new Promise((settle) => {
          const subscription = pair.server.messages$.subscribe(() => { subscription.unsubscribe(); settle(); });
        });
        const event = EventFd.create();
        event.signals$.subscribe(() => {}).unsubscribe();
      }
      for (let round = 0; round < 20; round++) await forget();
      console.log(descriptors() > before);
      for (let wait = 0; wait < 200 && descriptors() > before; wait++) { gc(); await sleep(1); }
      console.log(descriptors() - before, existsSync(path));`,
      { flags: ['--expose-gc'] },
    );
    expect(stdout.split('\n').slice(1), stderr).to.deep.equal(['true', '0 false']);
  });

  it('does not keep the process alive without a subscriber, and does with one', () => {
    const idle = runChild(`${PROGRAM}
      const pair = await SocketPair.make();
      const event = EventFd.create();
      event.signals$.subscribe(() => {}).unsubscribe();
      pair.server.messages$.subscribe(() => {}).unsubscribe();
      console.log('idle');`);
    expect(idle).to.include({ status: 0, stdout: 'idle' }, idle.stderr);
    const subscribed = runChild(
      `${PROGRAM}
      const pair = await SocketPair.make();
      pair.server.messages$.subscribe(() => {});
      console.log('subscribed');
      setTimeout(() => pair.server.close(), 50);
      process.on('exit', () => console.log(pair.server.isClosed));`,
    );
    expect(subscribed).to.include({ status: 0, stdout: 'subscribed\ntrue' }, subscribed.stderr);
  });

  for (const [how, rest] of [
    ['ends by itself', `process.exit();`],
    ['is terminated between two turns', `parentPort.postMessage('ready');`],
    [
      'is terminated within a subscriber',
      `pair.server.messages$.subscribe((arrived) => { parentPort.postMessage('ready'); for (;;) {} });`,
    ],
    [
      'is terminated while messages arrive without end',
      `let count = 0;
       pair.server.messages$.subscribe((arrived) => {
         if (count++ === 10) parentPort.postMessage('ready');
         pair.client.send([{ data: message(1, 30_000), fds: [memfd.fd] }]);
       });`,
    ],
  ] as const) {
    it(`with a worker that ${how} nothing stays open`, async () => {
      const before = openDescriptors();
      for (let round = 0; round < 3; round += 1) {
        const worker = new Worker(`${LITTER}\n${rest}`, { eval: true });
        if (rest.includes('postMessage')) {
          await once(worker, 'message');
          await worker.terminate();
        } else {
          await once(worker, 'exit');
        }
      }
      for (let wait = 0; wait < 1000 && openDescriptors() > before; wait += 1) {
        await new Promise((settle) => setTimeout(settle, 5));
      }
      expect(openDescriptors()).to.equal(before);
    }).timeout(60_000);
  }

  for (const [what, ready] of [
    ['messages are', 'pair.server.messages$.subscribe(() => {}); send();'],
    ['a connection is', 'void DescriptorSocket.connect(pair.folder.path(), { framing: FRAMING });'],
    ['a signal is', 'event.signals$.subscribe(() => {}); event.signal();'],
  ] as const) {
    it(`the process goes on when a worker ends while ${what} ready to be delivered`, () => {
      const worker = `(async () => {
        const { DescriptorSocket, EventFd } = await import(${JSON.stringify(BINDING)});
        const { FRAMING, message, SocketPair } = await import(${JSON.stringify(SUPPORT)});
        const pair = await SocketPair.make();
        const event = EventFd.create();
        const send = () => void pair.client.send([1, 2, 3].map((number) => ({ data: message(number) })));
        pair.listener.connections$.subscribe(() => {});
        ${ready}
        process.exit();
      })();`;
      const result = runChild(`
        const { Worker } = await import('node:worker_threads');
        const { once } = await import('node:events');
        for (let round = 0; round < 5; round++) {
          await once(new Worker(${JSON.stringify(worker)}, { eval: true }), 'exit');
        }
        console.log('goes on');`);
      expect(result).to.include({ status: 0, stdout: 'goes on' }, result.stderr);
    });
  }

  it('lets the path stay with process.exit, and removes it when the process ends by itself', () => {
    using folder = new SocketFolder();
    for (const [end, isLeft] of [
      ['process.exit()', true],
      ['', false],
    ] as const) {
      const { status, stderr } = runChild(`${PROGRAM}
        globalThis.listener = await DescriptorSocket.listen(${JSON.stringify(folder.path(`socket${end}`))}, { framing });
        ${end}`);
      expect(status, stderr).to.equal(0);
      expect(existsSync(folder.path(`socket${end}`)), end).to.equal(isLeft);
    }
  });

  it('delivers nothing after the subscriber has left, in the middle of messages that came together', async () => {
    using pair = await SocketPair.make();
    void pair.client.send([1, 2, 3].map((number) => ({ data: message(number) })));
    let count = 0;
    const subscription = pair.server.messages$.subscribe(() => {
      count += 1;
      subscription.unsubscribe();
    });
    while (count === 0) {
      await new Promise((settle) => setImmediate(settle));
    }
    expect(count).to.equal(1);
    expect((await firstValueFrom(pair.server.messages$)).data.readUInt32LE()).to.equal(2);
  });
});
