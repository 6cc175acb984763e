import type { Outcome } from '../../../streams/index.js';
import type { AttachmentHandle } from '../../../streams/internal.js';
import type { WireAnswer } from '../../wire/messages.js';
import { wireName } from '../model/text.js';
import { wireChange, wireError } from '../model/wire.js';
import type { Keys } from './keys.js';

/** Answers whose errors are sent as long as a text may be: an entry has limited length, also when a hundred targets fail. */
const WHOLE_MAX = 8;

/** What the attachments have answered to the steps of the current set, and to their undo. */
export class Answers {
  readonly #keys: Keys;
  #generation = -1;
  readonly #byAttachment = new Map<AttachmentHandle, WireAnswer>();

  constructor(keys: Keys) {
    this.#keys = keys;
  }

  add(handle: AttachmentHandle, outcome: Outcome): void {
    if (outcome.generation !== this.#generation) {
      this.#byAttachment.clear();
      this.#generation = outcome.generation;
    }
    this.#byAttachment.set(handle, joined(this.#keys.of(handle), this.#byAttachment.get(handle), outcome));
  }

  /** Those to the set of this generation. Forgets them. */
  take(generation: number): readonly WireAnswer[] {
    const answers = generation === this.#generation ? [...this.#byAttachment.values()] : [];
    this.#byAttachment.clear();
    return answers.map((answer, index) => (index < WHOLE_MAX ? answer : shortened(answer)));
  }
}

function shortened({ error, ...answer }: WireAnswer): WireAnswer {
  if (error === undefined) {
    return answer;
  }
  const { message, code } = error;
  return { ...answer, error: { message: wireName(message), ...(code === undefined ? {} : { code }) } };
}

/** One answer of all steps: it has failed if one has. */
function joined(
  key: number,
  before: WireAnswer | undefined,
  { target, status, milliseconds, skipped, error, failedAt }: Outcome,
): WireAnswer {
  const first: WireAnswer = {
    ...{ key, target: wireName(target), status },
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
