import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { BehaviorSubject } from 'rxjs';
import { serveInspector, type SourceStatus } from '../../../inspect/index.js';
import { RegionManager, type Region } from '../../../streams/index.js';
import { RecordingTarget } from '../../../testing/index.js';
import { runChild, STREAMS } from '../../binding/support/child.js';
import { addRegion, mapping } from '../../streams/support/phrases.js';
import { EventReader } from './support/event-reader.js';

const INSPECT = STREAMS.replace('/streams/', '/inspect/');

/** A program with a manager, an inspector, and a page that takes what it is sent. */
const PROGRAM = `
  const { RegionManager } = await import(STREAMS);
  const { serveInspector } = await import(${JSON.stringify(INSPECT)});
  const manager = new RegionManager();
  const inspector = await serveInspector(manager);
  const response = await fetch(inspector.url + 'events');
  const page = (async () => { for await (const chunk of response.body) if (Buffer.from(chunk).includes('"end"')) console.log('end'); })();
  process.on('exit', () => console.log('exit'));
`;

describe('an inspector while nobody looks', () => {
  let manager: RegionManager;
  let region: Region;
  const now = performance.now.bind(performance);

  beforeEach(async () => {
    manager = new RegionManager();
    region = await addRegion(manager, 0x0, 0x1000_0000);
    await manager.attach(new RecordingTarget({ name: 'a' }));
  });

  afterEach(async () => {
    performance.now = now;
    await manager.close();
  });

  /** How often a set makes the library read the clock, as it does for each outcome that is observed. */
  async function clockReadings(): Promise<number> {
    let readings = 0;
    performance.now = () => {
      readings += 1;
      return now();
    };
    await region.addMapping(mapping(0x0, 0x1000));
    await region.removeMappings(mapping(0x0, 0x1000).rangeInRegion);
    performance.now = now;
    return readings;
  }

  function timers(): number {
    return process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  }

  it('is subscribed to nothing, and has no timer: before the first page, and after the last one', async () => {
    const status$ = new BehaviorSubject<SourceStatus>({ phase: 'following' });
    const [idle, idleTimers] = [await clockReadings(), timers()];
    await using inspector = await serveInspector(manager, { status$ });
    const look = async (): Promise<object> => ({
      ...{ readings: await clockReadings(), timers: timers() },
      status: status$.observed,
    });
    const nothing = { readings: idle, timers: idleTimers, status: false };
    expect(await look()).to.deep.equal(nothing);
    const reader = await EventReader.ready(inspector.url);
    const busy = await look();
    expect(busy).to.include({ status: true });
    expect(busy).to.have.property('readings').that.is.above(idle);
    expect(busy).to.have.property('timers').that.is.above(idleTimers);
    reader[Symbol.dispose]();
    while (status$.observed) {
      await sleep(1);
    }
    expect(await look()).to.deep.equal(nothing);
  });

  it('lets the process end: after the manager and the inspector were closed', () => {
    const { status, stdout, stderr } = runChild(
      `${PROGRAM} await manager.close(); await inspector.close(); await page;`,
    );
    expect({ status, stdout, stderr }).to.deep.equal({ status: 0, stdout: 'end\nexit', stderr: '' });
  });

  it('lets the process end: after the inspector was closed', () => {
    const { status, stdout, stderr } = runChild(`${PROGRAM} await inspector.close(); await page;`);
    expect({ status, stdout, stderr }).to.deep.equal({ status: 0, stdout: 'end\nexit', stderr: '' });
  });

  it('lets the process end: after the manager was closed, which closes it', () => {
    const { status, stdout, stderr } = runChild(`${PROGRAM} await manager.close();`);
    expect({ status, stdout, stderr }).to.deep.equal({ status: 0, stdout: 'end\nexit', stderr: '' });
  });

  it('keeps the process running until it is closed', () => {
    const { status, stdout } = runChild(
      `const { RegionManager } = await import(STREAMS);
       const { serveInspector } = await import(${JSON.stringify(INSPECT)});
       const inspector = await serveInspector(new RegionManager());
       setTimeout(() => { console.log('still there'); inspector.close(); }, 500).unref();`,
    );
    expect({ status, stdout }).to.deep.equal({ status: 0, stdout: 'still there' });
  });
});
