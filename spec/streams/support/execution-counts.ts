import { Session, type Profiler } from 'node:inspector';

/**
 * Counts the executions of pieces of code, in a worker: a worker has a heap of its own, so that counting there disturbs no coverage that is measured
 * of the specs.
 */
export class ExecutionCounts implements Disposable {
  readonly #session = new Session();

  constructor() {
    this.#session.connect();
    this.#post('Profiler.enable');
    this.#post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** The scripts of `streams/` with what was executed since the last call. */
  take(): readonly Profiler.ScriptCoverage[] {
    const { result } = this.#post('Profiler.takePreciseCoverage') as Profiler.TakePreciseCoverageReturnType;
    return result.filter(({ url }) => url.includes('/dist/streams/'));
  }

  [Symbol.dispose](): void {
    this.#session.disconnect();
  }

  #post(method: string, parameters?: object): unknown {
    let answer: unknown;
    this.#session.post(method, parameters, (error, result) => {
      if (error !== null) {
        throw new Error(error.message);
      }
      answer = result;
    });
    return answer;
  }
}
