import { expect } from 'chai';
import { RegionManager, type DmaError } from '../../../streams/index.js';
import { FakeVaMapper, type Sets } from '../../support/fake-va-mapper.js';
import { RecordingTarget, type RecordingTargetOptions } from '../../support/recording-target.js';
import { rejectionOf } from './phrases.js';

/** A manager, its VA mapper, and the targets that a spec makes; all of them write into one journal. */
export class Stage {
  /** Every call of every fake, in the order in which they came: `'T: map 0x0-0x4000 rw'`, `'va: ensure 0x0-0x4000'`. */
  readonly journal: string[] = [];
  readonly warnings: DmaError[] = [];
  readonly va: FakeVaMapper;
  readonly manager: RegionManager;
  /** In the order in which they were made. */
  readonly targets: RecordingTarget[] = [];

  constructor(options: { readonly withVaMapper?: boolean; readonly sets?: Sets } = {}) {
    this.va = new FakeVaMapper({ journal: this.journal, sets: options.sets ?? 'one by one' });
    this.manager = new RegionManager({
      ...(options.withVaMapper === false ? {} : { vaMapper: this.va }),
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

  /** Attaches a new target and detaches it in vain: what is active is stuck at it. Its unmaps fail until it is mended. */
  async leaveStuck(name: string, needsVa: boolean): Promise<RecordingTarget> {
    const target = this.target({ name, needsVa });
    const attachment = await this.manager.attach(target);
    target.failAll('unmap');
    await rejectionOf(attachment.detach());
    return target;
  }

  /** The journal since the last time that this was asked. */
  takeJournal(): string[] {
    return this.journal.splice(0);
  }

  /** Fails when anybody was called in a way that the contracts of `DmaTarget` and `VaMapper` rule out. */
  expectContractsKept(): void {
    expect(this.targets.flatMap(({ name, violations }) => violations.map((text) => `${name}: ${text}`))).to.deep.equal(
      [],
    );
    expect(this.va.violations).to.deep.equal([]);
  }
}
