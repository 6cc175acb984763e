import type { Region, RegionEdit } from '../../../streams/index.js';
import { Draft, type RegionContext } from '../../../streams/regions/draft.js';
import { PrivateMemory } from '../../../streams/regions/private-memory.js';
import { RegionTable, type OverlapRule } from '../../../streams/regions/region-table.js';
import { runAtOnce } from '../../../streams/util/coroutine.js';
import { difference, simpleDifference } from '../../../streams/view/difference.js';
import type { Difference } from '../../../streams/view/removals.js';
import { View } from '../../../streams/view/view.js';

/** Regions and their view, without a manager: no queue, no targets, no VAs. */
export class RegionsOnly {
  readonly table: RegionTable;
  readonly view: View;
  readonly #context: RegionContext;

  constructor(rule: OverlapRule = 'contained') {
    this.table = new RegionTable(rule);
    this.view = new View(this.table);
    let sequence = 0;
    this.#context = {
      table: this.table,
      privates: new PrivateMemory(),
      transact: () => Promise.reject(new Error('these regions have no manager')),
      checkPrivate: () => undefined,
      nextSequence: () => sequence++,
      activeMappings: (state) => this.view.of(state),
      mapped: (state) => this.view.paramsOf(state),
    };
  }

  /** Begins a transaction, which the view ignores. */
  begin(): Draft {
    const draft = new Draft(this.#context);
    this.view.begin(draft.steps);
    return draft;
  }

  /** Makes edits in one transaction, applies them or rolls them back, and returns the difference. */
  edit(work: (edit: RegionEdit) => void, then: 'apply' | 'roll back' = 'apply'): Difference {
    const draft = this.begin();
    work(draft);
    draft.end();
    const change = simpleDifference(draft.steps) ?? runAtOnce(difference(this.table, draft.steps));
    if (then === 'apply') {
      const applying = this.view.apply(change);
      if (applying !== undefined) {
        runAtOnce(applying);
      }
    } else {
      runAtOnce(draft.rollback());
      this.view.abandon();
    }
    return change;
  }

  /** Adds a region in a transaction of its own. */
  add(work: (edit: RegionEdit) => Region): Region {
    let region: Region | undefined;
    this.edit((edit) => {
      region = work(edit);
    });
    return region as unknown as Region;
  }
}
