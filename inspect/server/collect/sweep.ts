import type { MemoryRange } from '../../../streams/index.js';
import {
  entriesFrom,
  heldAtAll,
  type AttachmentHandle,
  type Ledger,
  type Onlooking,
} from '../../../streams/internal.js';
import type { WireException, WireRegion } from '../../wire/messages.js';
import type { MappingChanges, Model } from '../model/model.js';
import { STEP_LENGTH } from '../model/parts.js';
import type { TargetModel } from '../model/target-model.js';
import { wireException } from '../model/wire.js';

/** After the last page. */
const END = 2 ** 52;

/**
 * Compares all that a manager says with the model, in steps of less than a millisecond, between which commands may run. What it has looked at in
 * one step was so at that moment.
 *
 * @param keyOf gives new attachments their keys
 * @param changes is told which mappings differ
 */
export function* sweep(
  onlooking: Onlooking,
  model: Model,
  keyOf: (handle: AttachmentHandle) => number,
  changes: MappingChanges | undefined,
): Generator<void> {
  updateTargets(onlooking, model, keyOf);
  yield;
  yield* sweepRegions(onlooking, model);
  yield* sweepMappings(onlooking, model, changes);
  for (const target of model.targets) {
    yield* sweepHeld(onlooking, target);
  }
}

function updateTargets(onlooking: Onlooking, model: Model, keyOf: (handle: AttachmentHandle) => number): void {
  const { attachments } = onlooking;
  for (const target of [...model.targets]) {
    if (!attachments.includes(target.handle)) {
      model.removeTarget(target);
    }
  }
  for (const handle of attachments) {
    if (model.target(handle) === undefined) {
      model.addTarget(keyOf(handle), handle);
    }
  }
}

function* sweepRegions(onlooking: Onlooking, model: Model): Generator<void> {
  const { regions } = onlooking;
  const keys = new Set<number>();
  for (const region of regions) {
    keys.add(region.sequence);
    const params = onlooking.paramsOf(region);
    const access: WireRegion['access'] = params === undefined ? 'unmapped' : params.writable ? 'writable' : 'read-only';
    model.putRegion(region, access);
    if (keys.size % STEP_LENGTH === 0) {
      yield;
    }
  }
  yield;
  yield* model.keepRegions(keys);
}

function* sweepMappings(onlooking: Onlooking, model: Model, changes: MappingChanges | undefined): Generator<void> {
  let last: MemoryRange | undefined;
  for (let from = 0; from < END;) {
    const active = onlooking.mappingsFrom(from, STEP_LENGTH);
    // As many as are active, or as many as were: whichever ends first.
    const limit = Math.min(active.end, model.mappingsEnd(from, STEP_LENGTH));
    const pieces = active.pieces.filter(({ range }) => range.startPage < limit);
    const end = Math.max(limit, pieces.at(-1)?.range.endPage ?? 0);
    model.setMappings(pieces, { from, end, last }, changes);
    last = pieces.at(-1)?.range ?? last;
    from = end;
    yield;
  }
}

/** What is held that is not active, or should not be, and what should be. */
function* sweepHeld(onlooking: Onlooking, target: TargetModel): Generator<void> {
  for (const [index, ledger] of target.ledgers.entries()) {
    yield* target.replaceHeld(index, 'extra', extraOf(onlooking, ledger));
    yield* target.replaceHeld(index, 'stuck', stuckOf(ledger));
    yield* target.replaceHeld(index, 'missing', target.isAttached ? missingOf(ledger) : []);
  }
}

function* extraOf(onlooking: Onlooking, ledger: Ledger): Generator<WireException | undefined> {
  for (const mapping of heldAtAll(ledger)) {
    yield onlooking.isActive(mapping.range) ? undefined : wireException('extra', mapping);
  }
}

function* stuckOf(ledger: Ledger): Generator<WireException> {
  for (let page = 0; page < Infinity;) {
    const { entries, end } = ledger.stuck.from(page, STEP_LENGTH);
    for (const { range, mapping } of entries) {
      yield wireException('stuck', { range, region: mapping.region });
    }
    page = end;
  }
}

function* missingOf(ledger: Ledger): Generator<WireException> {
  for (let page = 0; page < Infinity;) {
    const { entries, end } = entriesFrom(ledger.missingByAddress, page, STEP_LENGTH);
    for (const mapping of entries) {
      yield wireException('missing', mapping);
    }
    page = end;
  }
}
