import { DmaFault, type MapChange, type Mappable } from '../../streams/index.js';
import { messageOf, reasonOf } from '../errors.js';
import { Checkpoint } from './checkpoint.js';
import type { DmaDevice, DmaHardware } from './dma-device.js';
import { fileBacking, fileOffsetOf, PATTERN_LENGTH, spotsOf, type Spot } from './dma-spots.js';
import type { HostView } from './host-view.js';

export interface DeviceUnderCheck {
  readonly device: DmaDevice;
  /** Ascending: what its target holds. */
  readonly mappings: readonly MapChange[];
}

export interface DmaFailure {
  readonly target: string;
  readonly address: bigint;
  readonly what: string;
}

/** What a piece of hardware did itself. */
export interface HardwareCheck {
  readonly target: string;
  readonly address: string;
  /** How many mappings it was tried at, of how many there are. */
  readonly mappings: number;
  readonly of: number;
}

export interface DmaCheckResult {
  /** Comparisons made, and faults expected. */
  readonly checked: number;
  /** Those of them that did not come out right. */
  readonly failed: number;
  /** Names of the targets behind which there are devices. */
  readonly targets: readonly string[];
  /** How many of `checked` were writes that had to fault. */
  readonly faults: number;
  /** All of the failures, or the first of them, with two more at least left out. */
  readonly failures: readonly DmaFailure[];
  /** Absent when there was none. */
  readonly hardware?: readonly HardwareCheck[];
  /** Present when it was ended before its end. */
  readonly interrupted?: true;
}

/** So many mappings are checked at a time, because the patterns that are expected in them are kept. */
const BATCH = 4096;

/** Failures that are reported one by one; one more where it would be the only one left out. */
const FAILURES_KEPT = 10;

/**
 * Shows, through every mapping, that a device's DMA reaches the bytes that the guest sees.
 *
 * At both ends and in the middle of each mapping the device writes a pattern, and the host finds it;
 * then the host writes, and the device finds it. No two patterns are alike, all are written before the first is looked for,
 * and what is expected is kept by place in the backing file: so a mapping that shows the bytes of another is found, and
 * mappings that should show the same bytes have to. Of a read-only mapping the content is written through its file, and a
 * device's write must fault and change nothing. Hardware is tried at both ends of some of the mappings, evenly chosen.
 *
 * Left behind: guest memory that is full of patterns.
 *
 * @param signal ends the check between two of its steps; the result then counts what was done until then
 */
export async function checkDma(
  devices: readonly DeviceUnderCheck[],
  host: HostView,
  signal?: AbortSignal,
): Promise<DmaCheckResult> {
  const checkpoint = new Checkpoint(signal);
  const check = new DmaCheck(host, checkpoint);
  for await (const { device, mappings } of checkpoint.untilOver(devices)) {
    if (device.hardware !== undefined) {
      await check.runHardware(device, device.hardware, mappings);
      continue;
    }
    for (let first = 0; first < mappings.length; first += BATCH) {
      await check.run(device, mappings.slice(first, first + BATCH));
    }
  }
  return check.result(devices.map(({ device }) => device.name));
}

class DmaCheck {
  readonly #host: HostView;
  readonly #checkpoint: Checkpoint;
  readonly #failures: DmaFailure[] = [];
  readonly #hardware: HardwareCheck[] = [];
  /** What a place in a file should hold: aliases share it. */
  readonly #expected = new Map<Mappable, Map<bigint, Buffer>>();
  #patterns = 0;
  #checked = 0;
  #failed = 0;
  #faults = 0;

  constructor(host: HostView, checkpoint: Checkpoint) {
    this.#host = host;
    this.#checkpoint = checkpoint;
  }

  result(targets: readonly string[]): DmaCheckResult {
    return {
      checked: this.#checked,
      failed: this.#failed,
      targets,
      faults: this.#faults,
      failures: this.#failed <= FAILURES_KEPT + 1 ? this.#failures : this.#failures.slice(0, FAILURES_KEPT),
      ...(this.#hardware.length === 0 ? {} : { hardware: this.#hardware }),
      ...(this.#checkpoint.hasEndedWork ? { interrupted: true } : {}),
    };
  }

  async runHardware(device: DmaDevice, hardware: DmaHardware, mappings: readonly MapChange[]): Promise<void> {
    const chosen = evenly(mappings, hardware.mostMappings);
    this.#hardware.push({
      target: device.name,
      address: hardware.address,
      mappings: chosen.length,
      of: mappings.length,
    });
    try {
      await hardware.start(mappings);
      await this.run(device, chosen);
    } catch (error) {
      this.#count(
        device,
        chosen[0]?.range.start ?? 0n,
        `${hardware.address} does no DMA: ${error instanceof Error ? reasonOf(error) : messageOf(error)}`,
      );
    }
    try {
      await hardware.stop();
    } catch (error) {
      this.#count(device, 0n, `the DMA of ${hardware.address} cannot be ended: ${messageOf(error)}`);
    }
  }

  async run(device: DmaDevice, mappings: readonly MapChange[]): Promise<void> {
    if (await this.#checkpoint.isOver()) {
      return;
    }
    const spots = mappings.flatMap((mapping) => spotsOf(mapping, device.hardware === undefined));
    this.#expected.clear();
    await this.#deviceToHost(device, spots);
    await this.#hostToDevice(device, spots);
    await this.#readOnly(
      device,
      spots.filter(({ mapping }) => !mapping.writable),
    );
  }

  async #deviceToHost(device: DmaDevice, spots: readonly Spot[]): Promise<void> {
    const written: Spot[] = [];
    for await (const spot of this.#checkpoint.untilOver(spots)) {
      const pattern = this.#nextPattern();
      try {
        if (spot.mapping.writable) {
          await device.write(spot.address, pattern);
        } else {
          this.#host.write(spot.mapping, spot.address, pattern);
        }
      } catch (error) {
        const who = spot.mapping.writable ? 'the device' : 'the host';
        this.#count(device, spot.address, `${who} cannot write it: ${messageOf(error)}`);
        continue;
      }
      this.#expect(spot, pattern);
      written.push(spot);
    }
    for await (const spot of this.#checkpoint.untilOver(written)) {
      await this.#compare(device, spot, 'the host', () => this.#host.read(spot.mapping, spot.address, PATTERN_LENGTH));
    }
  }

  async #hostToDevice(device: DmaDevice, spots: readonly Spot[]): Promise<void> {
    const written: Spot[] = [];
    for await (const spot of this.#checkpoint.untilOver(spots)) {
      const pattern = this.#nextPattern();
      try {
        this.#host.write(spot.mapping, spot.address, pattern);
      } catch (error) {
        this.#count(device, spot.address, `the host cannot write it: ${messageOf(error)}`);
        continue;
      }
      this.#expect(spot, pattern);
      written.push(spot);
    }
    for await (const spot of this.#checkpoint.untilOver(written)) {
      await this.#compare(device, spot, 'the device', () => device.read(spot.address, PATTERN_LENGTH));
    }
  }

  async #readOnly(device: DmaDevice, spots: readonly Spot[]): Promise<void> {
    for await (const spot of this.#checkpoint.untilOver(spots)) {
      if (device.hardware !== undefined) {
        await this.#lostWrite(device, spot);
        continue;
      }
      this.#faults++;
      try {
        await device.write(spot.address, this.#nextPattern());
      } catch (error) {
        if (!(error instanceof DmaFault)) {
          this.#count(
            device,
            spot.address,
            `a write to read-only memory fails, but not as a DMA fault: ${messageOf(error)}`,
          );
          continue;
        }
        await this.#compare(device, spot, 'after a write that faulted the host', () =>
          this.#host.read(spot.mapping, spot.address, PATTERN_LENGTH),
        );
        continue;
      }
      this.#count(device, spot.address, 'the device can write it, and it is read-only');
    }
  }

  /** Hardware that cannot write does not say so: nothing may have changed. */
  async #lostWrite(device: DmaDevice, spot: Spot): Promise<void> {
    try {
      await device.write(spot.address, this.#nextPattern());
    } catch (error) {
      this.#count(device, spot.address, `the device does not write: ${messageOf(error)}`);
      return;
    }
    await this.#compare(device, spot, 'after a write to read-only memory the host', () =>
      this.#host.read(spot.mapping, spot.address, PATTERN_LENGTH),
    );
  }

  async #compare(device: DmaDevice, spot: Spot, who: string, read: () => Buffer | Promise<Buffer>): Promise<void> {
    const expected = this.#expected.get(fileBacking(spot.mapping).mappable)?.get(fileOffsetOf(spot));
    try {
      const found = await read();
      this.#count(
        device,
        spot.address,
        expected?.equals(found) === true ? undefined : `${who} finds other bytes there`,
      );
    } catch (error) {
      this.#count(device, spot.address, `${who} cannot read it: ${messageOf(error)}`);
    }
  }

  #expect(spot: Spot, pattern: Buffer): void {
    const { mappable } = fileBacking(spot.mapping);
    let places = this.#expected.get(mappable);
    if (places === undefined) {
      places = new Map();
      this.#expected.set(mappable, places);
    }
    places.set(fileOffsetOf(spot), pattern);
  }

  #count(device: DmaDevice, address: bigint, failure: string | undefined): void {
    this.#checked++;
    if (failure === undefined) {
      return;
    }
    this.#failed++;
    if (this.#failures.length <= FAILURES_KEPT) {
      this.#failures.push({ target: device.name, address, what: failure });
    }
  }

  /** Never the same twice, never all zeros, and no half of one is a half of another. */
  #nextPattern(): Buffer {
    const pattern = Buffer.alloc(PATTERN_LENGTH);
    const count = BigInt(++this.#patterns);
    pattern.writeBigUInt64LE(count ^ 0x5a5a_5a5a_0000_0000n, 0);
    pattern.writeBigUInt64LE(count ^ 0xa5a5_a5a5_0000_0000n, 8);
    return pattern;
  }
}

/** At most `most` of them, from the first to the last. */
function evenly<T>(items: readonly T[], most: number): readonly T[] {
  if (items.length <= most) {
    return items;
  }
  const step = (items.length - 1) / (most - 1);
  return Array.from({ length: most }, (_, index) => items[Math.round(index * step)]).filter(
    (item) => item !== undefined,
  );
}
