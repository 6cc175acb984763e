import { MeterProvider, MetricReader, type MetricData } from '@opentelemetry/sdk-metrics';
import { expect } from 'chai';
import { NEVER } from 'rxjs';
import { instrument, type Instrumentation } from '../../../inspect/index.js';
import { RegionManager } from '../../../streams/index.js';
import { addRam, RecordingTarget } from '../../../testing/index.js';
import { addRegion, mapping, nextTurn, range, rejectionOf } from '../../streams/support/phrases.js';

class Reader extends MetricReader {
  protected override onForceFlush(): Promise<void> {
    return Promise.resolve();
  }

  protected override onShutdown(): Promise<void> {
    return Promise.resolve();
  }
}

describe('instrument', () => {
  let reader: Reader;
  let provider: MeterProvider;
  let manager: RegionManager;
  let instrumentation: Instrumentation | undefined;

  beforeEach(() => {
    reader = new Reader();
    provider = new MeterProvider({ readers: [reader] });
    manager = new RegionManager();
  });

  afterEach(async () => {
    instrumentation?.[Symbol.dispose]();
    await manager.close();
    await provider.shutdown();
  });

  async function metrics(): Promise<readonly MetricData[]> {
    const { resourceMetrics, errors } = await reader.collect();
    expect(errors).to.deep.equal([]);
    return resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics);
  }

  /** The values of an instrument, by its attributes: `{ 'map a': 2 }`. Of a histogram, the counts. */
  async function valuesOf(name: string): Promise<Record<string, number>> {
    const found = (await metrics()).find(({ descriptor }) => descriptor.name === `dma_streams.${name}`);
    const points = found?.dataPoints ?? [];
    return Object.fromEntries(
      points.map(({ attributes, value }) => [
        Object.values(attributes).map(String).sort().join(' '),
        typeof value === 'number' ? value : value.count,
      ]),
    );
  }

  it('counts maps and unmaps, their size, and the time of each step, by target', async () => {
    instrumentation = instrument(manager, provider.getMeter('test'));
    await manager.attach(new RecordingTarget({ name: 'a' }));
    await manager.attach(new RecordingTarget({ name: 'b', reply: 'async' }));
    const region = await addRegion(manager, 0x0, 0x10000, {
      mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x4000)],
    });
    await region.removeMappings(range(0x0, 0x1000));
    expect(await valuesOf('changes')).to.deep.equal({ 'a map': 2, 'b map': 2, 'a unmap': 1, 'b unmap': 1 });
    expect(await valuesOf('changes.size')).to.deep.equal({
      'a map': 0x3000,
      'b map': 0x3000,
      'a unmap': 0x1000,
      'b unmap': 0x1000,
    });
    // Both replays, the map of the region, and the unmap.
    expect(await valuesOf('set.duration')).to.deep.equal({ a: 3, b: 3 });
    const { descriptor } =
      (await metrics()).find(({ descriptor: { name } }) => name === 'dma_streams.set.duration') ?? {};
    expect(descriptor).to.include({ unit: 's' });
  });

  it('counts failures and undone sets, skipped maps and warnings, by code', async () => {
    instrumentation = instrument(manager, provider.getMeter('test'));
    await manager.attach(new RecordingTarget({ name: 'a' }));
    await manager.attach(new RecordingTarget({ name: 'b' }).failRange('0x4000-0x5000', 'ENOSPC'));
    await rejectionOf(addRam(manager, '0x4000-0x5000'));
    await addRegion(manager, 0x4000, 0x5000, { type: 'device', mappings: [mapping(0x0, 0x1000)] });
    expect(await valuesOf('sets.failed')).to.deep.equal({ 'ENOSPC b': 1 });
    expect(await valuesOf('sets.undone')).to.deep.equal({ a: 1 });
    expect(await valuesOf('maps.skipped')).to.deep.equal({ 'ENOSPC b': 1 });
    expect(await valuesOf('warnings')).to.deep.equal({ ENOSPC: 1 });
  });

  it('shows what is held, stuck, missing and pending at the moment', async () => {
    await addRam(manager, '0x0-0x2000');
    const target = new RecordingTarget({ name: 'a' });
    await manager.attach(target);
    instrumentation = instrument(manager, provider.getMeter('test')); // Those that exist are included.
    expect(await valuesOf('held.entries')).to.deep.equal({ a: 1 });
    expect(await valuesOf('held.size')).to.deep.equal({ a: 0x2000 });
    target.failAll('unmap');
    await rejectionOf(manager.regions[0]?.remove() ?? Promise.resolve());
    target.clearFailures();
    expect(await valuesOf('stuck')).to.deep.equal({ a: 1 });
    const slow = await manager.attach(new RecordingTarget({ name: 'slow', reply: () => NEVER }));
    const adding = rejectionOf(addRam(manager, '0x4000-0x5000'));
    await nextTurn();
    expect(await valuesOf('pending')).to.deep.equal({ a: 0, slow: 1 });
    await slow.detach({ abandon: true });
    await adding;
    expect(await valuesOf('missing')).to.deep.equal({ a: 0, slow: 0 });
    expect(await valuesOf('pending')).to.deep.equal({ a: 0, slow: 0 }); // Not the value of before.
    expect(await valuesOf('sets.failed')).to.deep.equal({ 'EIO a': 1, 'ERR_TARGET_GONE slow': 1 });
  });

  it('goes on with an attachment of the same name, and adds up those with the same name', async () => {
    instrumentation = instrument(manager, provider.getMeter('test'));
    await addRam(manager, '0x0-0x1000');
    const first = await manager.attach(new RecordingTarget({ name: 'a' }));
    expect(await valuesOf('held.entries')).to.deep.equal({ a: 1 });
    await first.detach();
    expect(await valuesOf('held.entries')).to.deep.equal({ a: 0 });
    await manager.attach(new RecordingTarget({ name: 'a' }));
    await manager.attach(new RecordingTarget({ name: 'a' }));
    expect(await valuesOf('changes')).to.deep.equal({ 'a map': 3, 'a unmap': 1 });
    expect(await valuesOf('held.entries')).to.deep.equal({ a: 2 });
  });

  it('limits the number of attribute values', async () => {
    instrumentation = instrument(manager, provider.getMeter('test'), { maxTargets: 2 });
    await addRam(manager, '0x0-0x1000');
    for (let index = 0; index < 10; index++) {
      const attachment = await manager.attach(new RecordingTarget({ name: `t${index}` }));
      await attachment.detach();
    }
    expect(await valuesOf('set.duration')).to.deep.equal({ t0: 2, t1: 2, _OTHER: 16 });
    const failing = new RecordingTarget({ name: 'odd' });
    let code = 0;
    failing.failWhen(() => `E${code++}`);
    for (let index = 0; index < 300; index++) {
      await rejectionOf(manager.attach(failing));
    }
    expect(Object.keys(await valuesOf('sets.failed'))).to.have.length.of.at.most(201);
  });

  it('leaves nothing behind when it has been disposed of', async () => {
    const target = new RecordingTarget({ name: 'a' });
    const attachment = await manager.attach(target);
    instrumentation = instrument(manager, provider.getMeter('test'));
    await addRam(manager, '0x0-0x1000');
    instrumentation.dispose();
    instrumentation.dispose();
    const before = await valuesOf('changes');
    const original = performance.now.bind(performance);
    let reads = 0;
    performance.now = () => {
      reads += 1;
      return original();
    };
    const unobserved = new RegionManager();
    await unobserved.attach(new RecordingTarget({ name: 'unobserved' }));
    try {
      reads = 0;
      await addRam(unobserved, '0x0-0x1000');
      const expected = reads;
      reads = 0;
      await addRam(manager, '0x4000-0x5000');
      expect(reads).to.equal(expected); // Nobody observes the outcomes any more.
    } finally {
      performance.now = original;
      await unobserved.close();
    }
    expect(await valuesOf('changes')).to.deep.equal(before);
    expect(await valuesOf('held.entries')).to.deep.equal({});
    await manager.attach(new RecordingTarget({ name: 'later' }));
    expect(Object.keys(await valuesOf('set.duration'))).to.deep.equal(['a']);
    expect(attachment.phase).to.equal('attached');
  });

  it('affects no command when the meter throws', async () => {
    const thrown: unknown[] = [];
    const meter = provider.getMeter('test');
    const listeners = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.on('uncaughtException', (error) => thrown.push(error));
    try {
      const bad = Object.create(meter, {
        createCounter: {
          value: () => ({
            add: () => {
              throw new Error('bad meter');
            },
          }),
        },
      }) as typeof meter;
      instrumentation = instrument(manager, bad);
      await manager.attach(new RecordingTarget({ name: 'a' }));
      await addRam(manager, '0x0-0x1000');
      await new Promise((resolve) => setTimeout(resolve, 1));
    } finally {
      process.removeAllListeners('uncaughtException');
      for (const listener of listeners) {
        process.on('uncaughtException', listener);
      }
    }
    expect(thrown.map(String)).to.deep.equal(['Error: bad meter']);
  });

  for (const [args, message] of [
    [[{}, {}], 'instrument needs a RegionManager, not an object'],
    [[new RegionManager(), {}], "metrics.getMeter('name') makes one"],
    [[new RegionManager(), null], "metrics.getMeter('name') makes one"],
  ] as const) {
    it(`refuses wrong arguments: ${message}`, () => {
      expect(() => instrument(...(args as unknown as Parameters<typeof instrument>))).to.throw(TypeError, message);
    });
  }

  it('refuses wrong options', () => {
    const meter = provider.getMeter('test');
    expect(() => instrument(manager, meter, { maxTargets: 0 })).to.throw(RangeError, 'maxTargets of instrument');
    expect(() => instrument(manager, meter, null as never)).to.throw(TypeError, 'the options of instrument');
  });
});
