import type { Browser, Page } from 'puppeteer-core';
import { Memfd } from '../../binding/index.js';
import { serveInspector } from '../../inspect/index.js';
import { startChromium } from '../../lab/chromium.js';
import { MemoryRange, RegionManager } from '../../streams/index.js';
import { idleTarget } from '../support/idle-target.js';
import { PAGE_REDRAW_MS } from '../support/limits.js';
import type { Figure, Host, Measured, Question, Round, Sample, Samples } from '../support/question.js';
import { FigureMaker } from '../support/statistics.js';

const MAPPINGS = 100_000;
const SET = 5000;
/** How long the page may take, in milliseconds. */
const PATIENCE = 60_000;

const WAYS = {
  all: 'everything is in the window, and it moves',
  near: 'a hundredth is in the window, and it moves',
} as const;

export const page: Question = {
  name: 'page',
  title: 'the page of the inspector',
  about:
    `Chromium shows ${MAPPINGS.toLocaleString('en')} mappings that two targets hold, 1400 × 900 pixels. The redraw is the canvas; the frame is all that the page does ` +
    'in one animation frame: the canvas, the overview, the tables and the log. Rectangles are those that the canvas fills.',

  hosts(quick: boolean): Host[] {
    return [{ name: 'page', parameters: {}, rounds: quick ? 2 : 31, warmUps: quick ? 0 : 5 }];
  },

  async setUp(): Promise<Measured> {
    let browser: Browser;
    try {
      browser = await startChromium();
    } catch (error) {
      return { cases: {}, warnings: [`NOT MEASURED: ${error instanceof Error ? error.message : String(error)}`] };
    }
    // The process is ended by this signal, and the browser with it. What starts the browser takes the signal away.
    process.once('SIGTERM', () => process.exit());
    const { manager, change } = await filledManager();
    const inspector = await serveInspector(manager, { description: 'bench' });
    const opened = await browser.newPage();
    await opened.setViewport({ width: 1400, height: 900 });
    await opened.goto(inspector.url);
    await opened.waitForFunction(
      `document.querySelector('[data-total="mappings"] b')?.textContent === '${MAPPINGS.toLocaleString('en-US')}'`,
      { timeout: PATIENCE },
    );
    return {
      cases: {
        all: moving(opened, 'all', 2),
        near: moving(opened, 'near', 100),
        change: async () => {
          await opened.click('#fit-all');
          return measured(opened, 'change', change);
        },
      },
      close: async () => {
        await browser.close();
        await inspector.close();
        await manager.close();
      },
    };
  },

  figures(samples: Samples): Figure[] {
    const make = new FigureMaker(samples);
    const ways = Object.entries({ ...WAYS, change: 'a mapping comes or goes, everything is in the window' });
    return ways.flatMap(([way, name]) => [
      ...make.figure(`page/${way}/redraw`, `redraw: ${name}`, 'ms', { atMost: PAGE_REDRAW_MS }),
      ...make.figure(`page/${way}/frame`, `frame: ${name}`, 'ms', { atMost: PAGE_REDRAW_MS }),
      ...make.figure(`page/${way}/drawn`, `rectangles: ${name}`, 'rectangles'),
    ]);
  },
};

/** Moves the window by a tenth of it, of which all is `zoom` times as much. */
function moving(opened: Page, way: keyof typeof WAYS, zoom: number): Round {
  let down = true;
  return async () => {
    await opened.click('#fit-all');
    for (let factor = 2; factor <= zoom; factor *= 2) {
      await opened.click('#zoom-in');
    }
    await opened.focus('#drawing');
    down = !down;
    return measured(opened, way, () => opened.keyboard.press(down ? 'ArrowDown' : 'ArrowUp'));
  };
}

/** What the next redraw takes. Earlier ones, and what changed a moment ago and still stands out, are waited for. */
async function measured(opened: Page, way: string, act: () => Promise<void>): Promise<Sample> {
  await new Promise((resolve) => setTimeout(resolve, 2200));
  const before = Number(await read(opened, 'drawing', 'redraws'));
  await act();
  await opened.waitForFunction(`Number(document.querySelector('#drawing').dataset.redraws) > ${before}`, {
    timeout: PATIENCE,
  });
  return {
    [`page/${way}/redraw`]: Number(await read(opened, 'drawing', 'redrawMs')),
    [`page/${way}/frame`]: Number(await read(opened, 'app', 'frameMs')),
    [`page/${way}/drawn`]: Number(await read(opened, 'drawing', 'drawn')),
  };
}

async function read(opened: Page, id: string, name: string): Promise<string> {
  return (await opened.evaluate(`document.querySelector('#${id}').dataset.${name}`)) as string;
}

/** Every second page of a region, and one mapping more that comes and goes. */
async function filledManager(): Promise<{ readonly manager: RegionManager; readonly change: () => Promise<void> }> {
  const memfd = Memfd.create('bench', BigInt(MAPPINGS + 1) * 8192n);
  const manager = new RegionManager();
  await manager.attach(idleTarget('first'));
  await manager.attach(idleTarget('second'));
  const range = MemoryRange.ofLength(0n, BigInt(MAPPINGS + 1) * 8192n);
  const region = await manager.addRegion({ name: 'ram', range, type: 'ram' });
  await region.map({ writable: true });
  const place = (index: number): MemoryRange => MemoryRange.ofPages(index * 2, index * 2 + 1);
  const mappingAt = (index: number) => {
    const rangeInRegion = place(index);
    return { rangeInRegion, backing: { mappable: memfd, fileOffset: rangeInRegion.start }, writable: true };
  };
  for (let start = 0; start < MAPPINGS; start += SET) {
    await manager.transaction((edit) => {
      for (let index = start; index < start + SET; index++) {
        edit.addMapping(region, mappingAt(index));
      }
    });
  }
  let there = false;
  return {
    manager,
    change: async () => {
      there = !there;
      await (there ? region.addMapping(mappingAt(MAPPINGS)) : region.removeMappings(place(MAPPINGS)));
    },
  };
}
