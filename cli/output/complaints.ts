import { reasonOf, withHint } from '../errors.js';
import type { CommitResult } from '../replay/report.js';
import type { DmaError } from '../../streams/index.js';

/** The problems of a commit, one sentence each, for standard error if there is no log. */
export function complaintsOf({ commit, error, skipped }: CommitResult): readonly string[] {
  return [
    ...skipped.map((one) => `warning: commit ${commit.number}: ${describeSkip(one)}`),
    ...(error === undefined ? [] : [`commit ${commit.number} failed: ${reasonOf(error)}`]),
  ];
}

/** `"bar" skipped at vfio:0000:00:04.0: EINVAL: …` */
export function describeSkip(error: DmaError): string {
  return withHint(`"${error.region ?? ''}" skipped at ${error.target ?? ''}: ${error.message}`, error.hint);
}
