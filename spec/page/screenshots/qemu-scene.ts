import { setTimeout as sleep } from 'node:timers/promises';
import { chooseTargets } from '../../../cli/replay/target-choice.js';
import { qemuSource } from '../../../cli/watch/commit-source.js';
import { WatchSession } from '../../../cli/watch/session.js';
import { serveInspector, type Inspector } from '../../../inspect/index.js';
import { QemuSource } from '../../../sources/index.js';
import type { Machine } from '../../qemu/machines.js';
import { RunningQemu } from '../../qemu/running-qemu.js';

/** A PC with a display, a device with shared memory behind a bridge, and slots for memory modules. */
const PC: Machine = {
  name: 'q35',
  firmwareChangesMap: true,
  qemuArguments: () => [
    ...['-M', 'q35', '-m', '1G,slots=4,maxmem=8G', '-device', 'VGA', '-device', 'pcie-root-port,id=bridge,chassis=1'],
    ...['-object', 'memory-backend-ram,id=shm,size=16M,share=on', '-device', 'ivshmem-plain,memdev=shm,bus=bridge'],
    ...['-device', 'qemu-xhci'],
  ],
};

const OPTIONS = { interval: 20, timeout: 10_000, reconnect: 0, addressSpace: 'memory' };

/** A QEMU that has booted, followed by two IOMMUs, with a page for it. */
export class QemuScene implements AsyncDisposable {
  readonly #qemu: RunningQemu;
  readonly #session: WatchSession;
  readonly #page: Inspector;
  readonly #end: () => Promise<void>;
  #modules = 0;

  private constructor(qemu: RunningQemu, session: WatchSession, page: Inspector, end: () => Promise<void>) {
    this.#qemu = qemu;
    this.#session = session;
    this.#page = page;
    this.#end = end;
  }

  static async start(): Promise<QemuScene> {
    const qemu = await RunningQemu.start(PC);
    const source = await QemuSource.connect(qemu.qmpSocket, OPTIONS);
    const ending = new AbortController();
    const session = await WatchSession.open(
      qemuSource(source, OPTIONS),
      chooseTargets(['soft', 'soft:iommufd']),
      ending.signal,
    );
    const { manager, status$, problems$ } = session;
    const description = `qmp.sock (QEMU ${source.version})`;
    const page = await serveInspector(manager, { description, status$, problems$ });
    const running = session.run(ending.signal);
    return new QemuScene(qemu, session, page, async () => {
      ending.abort();
      await running;
      source.close();
    });
  }

  get url(): string {
    return this.#page.url;
  }

  /** Lets the firmware run until it finds nothing to boot from. */
  async boot(): Promise<void> {
    await this.#qemu.run();
    while (!this.#qemu.said.includes('No bootable device')) {
      await sleep(50);
    }
  }

  /** Plugs in a memory module; resolves when the manager has it. */
  async plug(): Promise<void> {
    const id = this.#modules++;
    const { generation } = this.#session.manager.snapshot();
    await this.#qemu.say(`object_add memory-backend-ram,id=dimm${id},size=512M`);
    await this.#qemu.say(`device_add pc-dimm,id=slot${id},memdev=dimm${id}`);
    while (this.#session.manager.snapshot().generation === generation) {
      await sleep(10);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#page.close();
    await this.#end();
    await this.#session[Symbol.asyncDispose]();
    await this.#qemu[Symbol.asyncDispose]();
  }
}
