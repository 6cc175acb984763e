import type { Region, RegionEdit } from '../../../streams/index.js';
import { difference, simpleDifference, type Difference } from '../../../streams/view/difference.js';
import { Draft, type RegionContext } from '../../../streams/regions/draft.js';
import { PrivateMemory } from '../../../streams/regions/private-memory.js';
import { RegionTable } from '../../../streams/regions/region-table.js';
import { runAtOnce } from '../../../streams/util/coroutine.js';
import { View } from '../../../streams/view/view.js';

/** Regions and their view, without a manager: no queue, no targets, no VAs. */
export class Plot {
  readonly table = new RegionTable();
  readonly view = new View(this.table);
  readonly #ground: RegionContext;

  constructor() {
    let sequence = 0;
    this.#ground = {
      table: this.table,
      privates: new PrivateMemory(),
      transact: () => Promise.reject(new Error('these regions have no manager')),
      checkPrivate: () => undefined,
      nextSequence: () => sequence++,
    };
  }

  /** What the edits change; and makes it so, unless they are to be looked at only. */
  edit(work: (edit: RegionEdit) => void, then: 'apply' | 'take back' = 'apply'): Difference {
    const draft = new Draft(this.#ground);
    this.view.begin(draft);
    work(draft);
    draft.end();
    const change = simpleDifference(draft.edits) ?? runAtOnce(difference(this.table, draft));
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

  /** Adds a region in an edit of its own. */
  add(work: (edit: RegionEdit) => Region): Region {
    let region: Region | undefined;
    this.edit((edit) => {
      region = work(edit);
    });
    return region as unknown as Region;
  }
}
