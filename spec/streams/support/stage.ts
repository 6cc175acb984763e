import { expect } from 'chai';
import { RegionManager, type DmaError } from '../../../streams/index.js';
import { FakeVaMapper, RecordingTarget, type RecordingTargetOptions } from '../../../testing/index.js';
import type { VaBatches } from '../../support/va-batches.js';
import { rejectionOf } from './phrases.js';

/** A manager, its VA mapper, and the targets of a spec. All of them write to one journal. */
export class Stage {
  /** All calls of all fakes, in order: `'T: map 0x0-0x4000 rw'`, `'va: ensure 0x0-0x4000'`. */
  readonly journal: string[] = [];
  readonly warnings: DmaError[] = [];
  readonly va: FakeVaMapper;
  readonly manager: RegionManager;
  /** In the order in which they were created. */
  readonly targets: RecordingTarget[] = [];

  constructor(
    options: {
      readonly withVaMapper?: boolean;
      readonly batches?: VaBatches;
      readonly hostAddresses?: 'always';
    } = {},
  ) {
    this.va = new FakeVaMapper({ journal: this.journal, batches: options.batches ?? 'none' });
    this.manager = new RegionManager({
      ...(options.withVaMapper === false ? {} : { vaMapper: this.va }),
      ...(options.hostAddresses === undefined ? {} : { hostAddresses: options.hostAddresses }),
      onWarning: (warning) => {
        this.warnings.push(warning);
      },
    });
  }

  target(options: Omit<RecordingTargetOptions, 'journal'> = {}): RecordingTarget {
    const target = new RecordingTarget({ ...options, journal: this.journal });
    this.targets.push(target);
    return target;
  }

  /** Attaches a new target, and detaches it with failing unmaps: all active mappings are stuck at it. Its unmaps fail until `clearFailures()`. */
  async leaveStuck(name: string, needsVa: boolean): Promise<RecordingTarget> {
    const target = this.target({ name, needsVa });
    const attachment = await this.manager.attach(target);
    target.failAll('unmap');
    await rejectionOf(attachment.detach());
    return target;
  }

  /** The journal since the last call. */
  takeJournal(): string[] {
    return this.journal.splice(0);
  }

  /** Fails if a call broke the contract of `DmaTarget` or `VaMapper`. */
  expectContractsKept(): void {
    expect(this.targets.flatMap(({ name, violations }) => violations.map((text) => `${name}: ${text}`))).to.deep.equal(
      [],
    );
    expect(this.va.violations).to.deep.equal([]);
  }
}
