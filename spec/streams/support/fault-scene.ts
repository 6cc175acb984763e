import { expect } from 'chai';
import {
  DmaUnmapError,
  RegionManager,
  type Attachment,
  type DmaError,
  type Mappable,
  type MappingParams,
  type Region,
  type VaMapper,
} from '../../../streams/index.js';
import type { VaBatches } from '../../support/va-batches.js';
import { FaultPlan, FaultyTarget, FaultyVaMapper, type FaultyTargetOptions, type Watched } from './faults.js';
import { addRegion, FILE, mapping, texts } from './phrases.js';

export interface Setting {
  readonly targets: number;
  readonly reply: 'sync' | 'async';
  /** Which targets need a VA. `'none'`: there is also no VA mapper. */
  readonly va: 'none' | 'all' | 'all but the first';
  /** How the VA mapper handles batches. Default: it has no methods for batches. */
  readonly batches?: VaBatches;
  /** The error code of the calls of targets that fail. Default: `'EIO'`. */
  readonly code?: string;
}

/** The file and the VA mapper of a scene. Default: fakes. */
export interface World {
  readonly file: Mappable;
  vaMapper(plan: FaultPlan, batches?: VaBatches): Watched & VaMapper;
  target?(plan: FaultPlan, va: Watched | undefined, options: FaultyTargetOptions): FaultyTarget;
  /** Compares the state that a target reports with its real state. */
  check?(target: FaultyTarget): void;
}

const FAKES: World = { file: FILE, vaMapper: (plan, batches) => new FaultyVaMapper(plan, batches) };

/** A manager with regions and attached targets. All calls fail by one plan. */
export class Scene {
  readonly plan = new FaultPlan();
  readonly va: (Watched & VaMapper) | undefined;
  readonly manager: RegionManager;
  readonly targets: FaultyTarget[] = [];
  readonly warnings: DmaError[] = [];
  /** The attachments of all targets that are or were attached. */
  readonly attachments: Attachment[] = [];
  /** A target that is not attached yet. */
  readonly late: FaultyTarget;
  readonly #world: World;

  private constructor(setting: Setting, world: World) {
    this.#world = world;
    this.plan.code = setting.code ?? 'EIO';
    this.va = setting.va === 'none' ? undefined : world.vaMapper(this.plan, setting.batches);
    this.manager = new RegionManager({
      ...(this.va === undefined ? {} : { vaMapper: this.va }),
      onWarning: (warning) => {
        this.warnings.push(warning);
      },
    });
    for (let index = 0; index <= setting.targets; index++) {
      const needsVa = setting.va === 'all' || (setting.va === 'all but the first' && index > 0);
      // Asynchronously, but in the same turn of the event loop, because there are many runs.
      const reply = setting.reply === 'sync' ? setting.reply : () => Promise.resolve();
      // Every second target has batch methods. All except the first are concurrent.
      const options = { name: `target ${index}`, needsVa, reply, batches: index % 2 === 1, concurrent: index > 0 };
      const make = world.target ?? ((...args) => new FaultyTarget(...args));
      this.targets.push(make(this.plan, this.va, options));
    }
    this.late = this.targets.pop() as FaultyTarget;
  }

  static async build(setting: Setting, world = FAKES): Promise<Prepared> {
    const scene = new Scene(setting, world);
    const { manager } = scene;
    for (const target of scene.targets) {
      scene.attachments.push(await manager.attach(target));
    }
    const regions = {
      low: await addRegion(manager, 0x0, 0x10000, {
        name: 'low',
        mappings: [
          scene.mapping(0x0, 0x1000),
          scene.mapping(0x2000, 0x3000),
          scene.mapping(0x4000, 0x6000, { writable: false }),
        ],
      }),
      cover: await addRegion(manager, 0x0, 0x20000, {
        name: 'cover',
        priority: 1,
        shown: 'hidden',
        mappings: [scene.mapping(0x2000, 0x3000), scene.mapping(0x5000, 0x8000), scene.mapping(0x18000, 0x19000)],
      }),
      high: await addRegion(manager, 0x20000, 0x30000, {
        name: 'high',
        mappings: [scene.mapping(0x0, 0x1000), scene.mapping(0x8000, 0x9000)],
      }),
      shade: await addRegion(manager, 0x20000, 0x30000, {
        name: 'shade',
        mappings: [scene.mapping(0x0, 0x2000), scene.mapping(0x4000, 0x5000)],
      }),
      bar: await addRegion(manager, 0x40000, 0x50000, {
        name: 'bar',
        type: 'device',
        mappings: [scene.mapping(0x0, 0x1000)],
      }),
    };
    return Object.assign(scene, { regions });
  }

  /** The file of all mappings. */
  get file(): Mappable {
    return this.#world.file;
  }

  /** Like `mapping` of phrases.ts, with the file of this world. */
  mapping(...[start, end, options]: Parameters<typeof mapping>): MappingParams {
    return mapping(start, end, { mappable: this.file, ...options });
  }

  /** The active mappings: `'0x0-0x1000 rw 0x0'`. */
  view(): string[] {
    return this.manager.snapshot().mappings.map(({ range: at, writable, backing }) => {
      const offset = backing === 'private' ? 0n : backing.fileOffset;
      return `${at.toString()} ${writable ? 'rw' : 'ro'} 0x${offset.toString(16)}`;
    });
  }

  /** The mappings that a target should have: the view without device memory that it does not have and that a warning was reported for. */
  viewOf(target: FaultyTarget): string[] {
    const held = texts(target.held());
    const skipped = this.warnings
      .filter((warning) => warning.region === 'bar' && (warning.target ?? target.name) === target.name)
      .map((warning) => warning.range?.toString());
    return this.view().filter((one) => {
      const [at = ''] = one.split(' ');
      return held.includes(at) || !skipped.includes(at);
    });
  }

  /** Closes the manager, and checks that no target and no VA mapper has mappings. */
  async end(): Promise<void> {
    // After a failed close the promise stays rejected, also after a repair.
    await this.manager.close().catch((error: unknown) => expect(error).to.be.instanceOf(DmaUnmapError));
    expect([...this.targets, this.late].flatMap((target) => texts(target.held()))).to.deep.equal([]);
    expect(texts(this.va?.held() ?? [])).to.deep.equal([]);
    this.expectContractsKept();
  }

  expectContractsKept(): void {
    expect([...this.targets, this.late].flatMap(({ violations }) => violations)).to.deep.equal([]);
    expect(this.va?.violations ?? []).to.deep.equal([]);
    for (const target of [...this.targets, this.late]) {
      this.#world.check?.(target);
    }
  }

  /**
   * Checks the mappings that have a VA: they are in the view or stuck.
   *
   * @param exactly whether all mappings of the view must have a VA, because attached targets need VAs
   */
  expectVas(exactly: boolean, alsoStuck: readonly string[] = []): void {
    if (this.va === undefined) {
      return;
    }
    const held = texts(this.va.held());
    const needed = this.manager.snapshot().mappings.map(({ range: at }) => at.toString());
    expect(needed).to.include.members(held.filter((one) => !alsoStuck.includes(one)));
    if (exactly) {
      expect(held).to.include.members(needed);
    }
  }
}

export interface Regions {
  readonly low: Region;
  readonly cover: Region;
  readonly high: Region;
  readonly shade: Region;
  readonly bar: Region;
}

export type Prepared = Scene & { readonly regions: Regions };
