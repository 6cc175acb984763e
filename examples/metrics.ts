/**
 * Metrics of a manager, as Prometheus reads them: an IOMMU, a log, and a device whose IOMMU has too few entries. A VMM would serve the
 * text by HTTP, with `PrometheusExporter`.
 *
 *     node node_modules/dma-streams/dist/examples/metrics.js    # in a clone: npm run metrics
 */
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import { MemoryRange, RegionManager, type Region } from 'dma-streams';
import { Memfd, RamBlocks } from 'dma-streams/binding';
import { instrument } from 'dma-streams/inspect';
import { LoggingTarget, SoftIommuTarget } from 'dma-streams/targets';

/** Collects when it is asked to. */
class Reader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {
    // Nothing is kept back.
  }

  protected override async onShutdown(): Promise<void> {
    // Nothing is open.
  }
}

const reader = new Reader();
const provider = new MeterProvider({ readers: [reader] });

using ram = Memfd.create('ram', 64n << 20n);
using memory = new RamBlocks();
await using manager = new RegionManager({ vaMapper: memory });
using instrumentation = instrument(manager, provider.getMeter('vmm'));

await manager.attach(new SoftIommuTarget({ name: 'nic' }));
await manager.attach(new SoftIommuTarget({ name: 'small', entryLimit: 3 }));
await manager.attach(new LoggingTarget({ name: 'log', write: () => undefined }));

/** Plugs in a memory module of 16 MiB. */
async function plug(slot: number): Promise<Region> {
  const length = 16n << 20n;
  const fileOffset = BigInt(slot) * length;
  const range = MemoryRange.ofLength(fileOffset, length);
  return manager.addRam({ name: `module ${slot}`, range, backing: ram, fileOffset });
}

const modules = [await plug(0), await plug(1), await plug(2)];
await plug(3).catch((error: unknown) => {
  console.log(`# the fourth module is refused: ${(error as NodeJS.ErrnoException).code}`);
});
await modules[0]?.remove();

const { resourceMetrics } = await reader.collect();
console.log(new PrometheusSerializer(undefined, false, undefined, true, true).serialize(resourceMetrics));
instrumentation.dispose();
await provider.shutdown();
