import { from, isObservable, tap, type Observable } from 'rxjs';
import { forwardTarget, type DmaTarget } from '../../streams/index.js';
import { codeOf } from '../errors.js';
import type { TargetCall } from '../../targets/index.js';

/**
 * Stands before a target and tells of every call, once the target has answered it, failed or not. What the target answers
 * is handed on unchanged.
 *
 * Left out on purpose: the calls that take several maps together, and what is `concurrent`, because the journal lists calls one by one, in the
 * order in which they take effect.
 *
 * @param options `needsVa` asks for host virtual addresses also where the target itself could do without
 */
export function journalTarget(
  target: DmaTarget,
  record: (call: TargetCall) => void,
  options: { readonly needsVa?: boolean } = {},
): DmaTarget {
  const { name } = target;
  const tell = <Answer>(call: TargetCall, serve: () => Answer): Answer => {
    let answer: Answer;
    try {
      answer = serve();
    } catch (error) {
      record(failed(call, error));
      throw error;
    }
    return toldOf(answer, call, record);
  };
  return forwardTarget(target, {
    mapDma: (request) => tell({ op: 'map', target: name, request }, () => target.mapDma(request)),
    unmapDma: (range) => tell({ op: 'unmap', target: name, range }, () => target.unmapDma(range)),
    mapDmaBatch: undefined,
    unmapDmaBatch: undefined,
    concurrent: undefined,
    ...(options.needsVa === true ? { needsVa: true } : {}),
  });
}

function toldOf<Answer>(answer: Answer, call: TargetCall, record: (call: TargetCall) => void): Answer {
  const onError = (error: unknown): void => {
    record(failed(call, error));
  };
  const onDone = (): void => {
    record(call);
  };
  if (isObservable(answer)) {
    return from(answer as Observable<unknown>).pipe(tap({ error: onError, complete: onDone })) as Answer;
  }
  if (answer instanceof Promise) {
    return answer.then(onDone, (error: unknown) => {
      onError(error);
      throw error;
    }) as Answer;
  }
  onDone();
  return answer;
}

function failed(call: TargetCall, error: unknown): TargetCall {
  return { ...call, failed: codeOf(error) ?? 'ERR_TARGET_FAILED' };
}
