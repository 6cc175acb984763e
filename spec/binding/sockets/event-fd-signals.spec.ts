import { closeSync, openSync } from 'node:fs';
import { expect } from 'chai';
import { firstValueFrom, lastValueFrom, take, toArray } from 'rxjs';
import { EventFd, Memfd } from '../../../binding/index.js';
import { runChild } from '../support/child.js';
import { openDescriptors } from '../support/descriptors.js';
import { dmaError } from '../support/thrown.js';

describe('the signals of an EventFd', () => {
  async function turns(count: number): Promise<void> {
    for (let turn = 0; turn < count; turn += 1) {
      await new Promise((settle) => setImmediate(settle));
    }
  }

  it('arrive with their number, those from before the subscription too, and set the counter to 0', async () => {
    using event = EventFd.create();
    event.signal(3n);
    event.signal(4n);
    expect(await firstValueFrom(event.signals$)).to.equal(7n);
    expect(event.take()).to.equal(0n);
    event.signal(2n ** 64n - 2n);
    expect(await firstValueFrom(event.signals$)).to.equal(2n ** 64n - 2n);
  });

  it('are read while there is a subscriber only, and shared by all', async () => {
    using event = EventFd.create();
    const both = [event.signals$, event.signals$].map((signals$) => lastValueFrom(signals$.pipe(take(2), toArray())));
    event.signal();
    await turns(5);
    event.signal(2n);
    expect(await Promise.all(both)).to.deep.equal([
      [1n, 2n],
      [1n, 2n],
    ]);
    event.signal(5n);
    await turns(5);
    expect(event.take()).to.equal(5n);
  });

  it('are never delivered within subscribe', async () => {
    using event = EventFd.create();
    event.signal();
    let isSubscribed = false;
    const within = await new Promise<boolean>((settle) => {
      const subscription = event.signals$.subscribe(() => {
        settle(!isSubscribed);
        subscription.unsubscribe();
      });
      isSubscribed = true;
    });
    expect(within).to.equal(false);
  });

  it('complete when it is closed, also by a subscriber, and for those who come later', async () => {
    const before = openDescriptors();
    const event = EventFd.create();
    let count = 0;
    const completed = new Promise<void>((settle) => {
      event.signals$.subscribe({
        next: () => {
          count += 1;
          event.close();
        },
        complete: settle,
      });
    });
    event.signal();
    await completed;
    expect(count).to.equal(1);
    await lastValueFrom(event.signals$, { defaultValue: 0n });
    expect(openDescriptors()).to.equal(before);
  });

  it('reach an eventfd of the same counter, which a descriptor was made into', async () => {
    const before = openDescriptors();
    const event = EventFd.create();
    const other = EventFd.fromFd(event.fd);
    expect(other.fd).to.not.equal(event.fd);
    event.signal(9n);
    event.close();
    expect(await firstValueFrom(other.signals$)).to.equal(9n);
    other.close();
    expect(openDescriptors()).to.equal(before);
  });

  it('of two eventfds of one counter go to one of them, and none are lost', async () => {
    using event = EventFd.create();
    using other = EventFd.fromFd(event.fd);
    let sum = 0n;
    const subscriptions = [event, other].map(({ signals$ }) =>
      signals$.subscribe((count) => {
        sum += count;
      }),
    );
    for (let round = 0; round < 100; round += 1) {
      event.signal(BigInt(round));
      await turns(1);
    }
    while (sum < 4950n) {
      await turns(1);
    }
    expect(sum).to.equal(4950n);
    subscriptions.forEach((subscription) => {
      subscription.unsubscribe();
    });
  });

  it('are refused of what is no eventfd, and nothing stays open', () => {
    using memfd = Memfd.create('no eventfd', 4096n);
    const closed = openSync('/dev/null', 'r');
    closeSync(closed);
    const before = openDescriptors();
    const refusal = dmaError(() => EventFd.fromFd(memfd.fd));
    expect(refusal.code).to.equal('EINVAL');
    expect(refusal.message).to.contain('a file of another kind');
    expect(dmaError(() => EventFd.fromFd(0)).code).to.equal('EINVAL');
    expect(dmaError(() => EventFd.fromFd(1_000_000)).code).to.equal('EBADF');
    for (const wrong of [-1, 0.5, '1', undefined, 2 ** 31]) {
      expect(() => EventFd.fromFd(wrong as number)).to.throw(TypeError, 'fd is');
    }
    expect(openDescriptors()).to.equal(before);
  });

  it('10,000 subscriptions leave nothing behind, and a subscription keeps the process alive', () => {
    const { status, stdout, stderr } = runChild(`
      const { EventFd } = await import(BINDING);
      const event = EventFd.create();
      console.log('made');
      const before = readdirSync('/proc/self/fd').length;
      for (let round = 0; round < 10_000; round++) event.signals$.subscribe(() => {}).unsubscribe();
      console.log(readdirSync('/proc/self/fd').length - before);
      event.signals$.subscribe((count) => { console.log(count); event.close(); });
      setTimeout(() => event.signal(5n), 20).unref();
    `);
    expect({ status, stdout }, stderr).to.deep.equal({ status: 0, stdout: 'made\n0\n5n' });
  });
});
