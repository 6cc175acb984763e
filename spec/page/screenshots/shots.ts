import { setTimeout as sleep } from 'node:timers/promises';
import { serveInspector } from '../../../inspect/index.js';
import { HIGHLIGHT } from '../../../inspect/page/model/highlights.js';
import { DmaError, RegionManager, type DmaTarget } from '../../../streams/index.js';
import { addRam, RecordingTarget } from '../../../testing/index.js';
import { Serving } from '../../cli/support/serving.js';
import { manyMappings, smallPc } from '../support/machine.js';
import type { OpenedPage, PageOptions } from '../support/opened-page.js';
import { QemuScene } from './qemu-scene.js';

/** Opens the page at a URL, does what makes the picture, and takes it. */
export type Visit = (url: string, prepare: (opened: OpenedPage) => Promise<void>) => Promise<void>;

export interface Shot {
  /** Of the file. */
  readonly name: string;
  readonly options: PageOptions;
  /** Sets the scene and has it visited. */
  readonly scene: (visit: Visit) => Promise<void>;
}

const NARROW: PageOptions = { width: 360, height: 740, scale: 2 };

/** A QEMU that boots while the page looks on, and a memory module that has just been plugged in. */
async function bootingQemu(visit: Visit): Promise<void> {
  await using qemu = await QemuScene.start();
  await visit(qemu.url, async (opened) => {
    await opened.untilTextOf('#totals', /mappings\s+[1-9]/);
    await qemu.boot();
    await sleep(HIGHLIGHT.lasts);
    await qemu.plug();
    await opened.untilTextOf('#log', /dimm0/);
  });
}

/** The same, later, at the ROM below 1 MiB, in dark colours: what each address of it is. */
async function romOfQemu(visit: Visit): Promise<void> {
  await using qemu = await QemuScene.start();
  await qemu.boot();
  await visit(qemu.url, async (opened) => {
    await opened.untilTextOf('#totals', /mappings\s+[1-9]/);
    await opened.page.type('#search', '640K-1M');
    await opened.page.keyboard.press('Enter');
    await opened.untilTextOf('#panel [data-selected]', /pc\.ram/);
    await opened.page.click('#fit-selection');
    await opened.untilCalm();
  });
}

/** An IOMMU that has fewer entries than the machine has mappings. */
function smallIommu(entries: number): DmaTarget {
  let left = entries;
  return {
    name: 'gpu, vfio 0000:01:00.0',
    mapDma: () => {
      if (left-- === 0) {
        throw new DmaError('the IOMMU has no entry left: all 5 are in use', {
          code: 'ENOSPC',
          hint: 'Map fewer, larger ranges, or raise dma_entry_limit of vfio_iommu_type1.',
        });
      }
    },
    unmapDma: () => {
      left++;
    },
  };
}

/** A target that cannot be attached, another one that makes a hot-plug fail, and one in which something is stuck. */
async function failures(visit: Visit): Promise<void> {
  await using manager = await smallPc();
  const nic = new RecordingTarget({ name: 'nic' });
  await manager.attach(nic);
  await using page = await serveInspector(manager, { description: 'a PC, whose GPU has few entries' });
  await visit(page.url, async (opened) => {
    await opened.untilTextOf('#totals', /mappings\s+[1-9]/);
    await manager.attach(smallIommu(5)).catch(() => undefined);
    await opened.untilTextOf('#log', /ENOSPC/);
    await manager.attach(smallIommu(manager.snapshot().mappings.length));
    await addRam(manager, '0x140000000-0x180000000', { region: 'dimm0' }).catch(() => undefined);
    await opened.untilTextOf('#log [data-status=undone]', /ENOSPC/);
    nic.failAll('unmap', 'EBUSY');
    await manager.regions
      .find(({ name }) => name === 'vram')
      ?.unmap()
      .catch(() => undefined);
    await opened.untilTextOf('[data-kind=stuck]', /./);
    await opened.untilCalm();
  });
  nic.clearFailures();
}

/** A machine with many small mappings. */
async function many(visit: Visit): Promise<void> {
  await using manager = await manyMappings(100_000);
  await manager.attach(new RecordingTarget({ name: 'nic' }));
  await manager.attach(new RecordingTarget({ name: 'gpu' }));
  await using page = await serveInspector(manager, { description: '100,000 mappings' });
  await visit(page.url, async (opened) => {
    await opened.untilTextOf('#totals', /mappings\s+100,000/);
    await opened.page.click('#tab-mappings');
    await opened.untilTextOf('#mappings-table', /many/);
    await opened.untilCalm();
  });
}

/** A moment before two memory modules were taken out. */
async function back(visit: Visit): Promise<void> {
  await using manager = await smallPc();
  await manager.attach(new RecordingTarget({ name: 'nic' }));
  await using page = await serveInspector(manager, { description: 'a small PC' });
  await visit(page.url, async (opened) => {
    await opened.untilTextOf('#totals', /mappings\s+[1-9]/);
    const modules = [];
    for (const [index, range] of ['0x140000000-0x160000000', '0x160000000-0x1a0000000'].entries()) {
      modules.push(await addRam(manager, range, { region: `dimm${index}` }));
      await opened.untilTextOf('#log', new RegExp(`dimm${index}`));
    }
    for (const module of modules) {
      await module.remove();
      await opened.untilTextOf('#log [data-entry]', new RegExp(`unmap ${module.name}`));
    }
    for (const text of [/1 change set since/, /2 change sets since/]) {
      await opened.page.click('#step-back');
      await opened.untilTextOf('[data-banner=back]', text);
    }
    await opened.untilCalm();
  });
}

async function empty(visit: Visit): Promise<void> {
  await using manager = new RegionManager();
  await using page = await serveInspector(manager, { description: 'an empty manager' });
  await visit(page.url, async (opened) => {
    await opened.untilTextOf('#empty', /./);
    await opened.untilCalm();
  });
}

/** The program that served the page was killed. */
async function disconnected(visit: Visit): Promise<void> {
  await using serving = new Serving(
    'watch',
    'examples/traces/q35-boot.jsonl',
    '--speed',
    'max',
    '--target',
    'soft',
    '--web',
  );
  await visit(await serving.url(), async (opened) => {
    await opened.untilTextOf('#totals', /mappings\s+[1-9]/);
    await serving.end('SIGKILL');
    await opened.untilTextOf('[data-banner=disconnected]', /[3-9] s/);
  });
}

export const SHOTS: readonly Shot[] = [
  { name: 'qemu', options: {}, scene: bootingQemu },
  { name: 'qemu-dark', options: { scheme: 'dark' }, scene: romOfQemu },
  { name: 'qemu-narrow', options: NARROW, scene: bootingQemu },
  { name: 'failed', options: {}, scene: failures },
  { name: 'failed-narrow-dark', options: { ...NARROW, scheme: 'dark' }, scene: failures },
  { name: 'many', options: { scheme: 'dark' }, scene: many },
  { name: 'back', options: {}, scene: back },
  { name: 'empty', options: { scheme: 'dark' }, scene: empty },
  { name: 'disconnected', options: {}, scene: disconnected },
];
