import type { Outcome } from '../../../streams/index.js';
import type { AttachmentHandle } from '../../../streams/internal.js';
import type { WireAnswer } from '../../wire/messages.js';
import { wireChange, wireError } from '../model/wire.js';

/** What the attachments have answered to the steps of the current set, and to their undo. */
export class Answers {
  #generation = -1;
  readonly #byAttachment = new Map<AttachmentHandle, WireAnswer>();

  add(handle: AttachmentHandle, outcome: Outcome): void {
    if (outcome.generation !== this.#generation) {
      this.#byAttachment.clear();
      this.#generation = outcome.generation;
    }
    this.#byAttachment.set(handle, joined(this.#byAttachment.get(handle), outcome));
  }

  /** Those to the set of this generation. Forgets them. */
  take(generation: number): readonly WireAnswer[] {
    const answers = generation === this.#generation ? [...this.#byAttachment.values()] : [];
    this.#byAttachment.clear();
    return answers;
  }
}

/** One answer of all steps: it has failed if one has. */
function joined(
  before: WireAnswer | undefined,
  { target, status, milliseconds, skipped, error, failedAt }: Outcome,
): WireAnswer {
  const first: WireAnswer = {
    target,
    status,
    ...(milliseconds === undefined ? {} : { milliseconds }),
    ...(skipped.length === 0 ? {} : { skipped: skipped.length, error: wireError(skipped[0]) }),
    ...(error === undefined ? {} : { error: wireError(error) }),
    ...(failedAt === undefined ? {} : { failedAt: wireChange(failedAt) }),
  };
  if (before === undefined) {
    return first;
  }
  return {
    ...first,
    ...before,
    status: before.status === 'failed' ? 'failed' : first.status,
    ...sumOf('milliseconds', before, first),
    ...sumOf('skipped', before, first),
    // The error of what has failed, rather than that of what was skipped.
    ...(before.status === 'applied' && first.error !== undefined ? { error: first.error } : {}),
  };
}

function sumOf(key: 'milliseconds' | 'skipped', one: WireAnswer, other: WireAnswer): Partial<WireAnswer> {
  return one[key] === undefined && other[key] === undefined ? {} : { [key]: (one[key] ?? 0) + (other[key] ?? 0) };
}
