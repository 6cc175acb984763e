import { Session } from 'node:inspector/promises';
import { projectRoot } from './native-program.js';

/** In microseconds. */
const INTERVAL = 200;

/**
 * Where the processor was while `work` went on, by source file, in percent: its own time, without that of what it calls. What was compiled
 * into another function still counts where it was written.
 */
export async function profile(work: () => Promise<unknown>): Promise<ReadonlyMap<string, number>> {
  const session = new Session();
  session.connect();
  try {
    await session.post('Profiler.enable');
    await session.post('Profiler.setSamplingInterval', { interval: INTERVAL });
    await session.post('Profiler.start');
    await work();
    const { profile: measured } = await session.post('Profiler.stop');
    const hits = new Map<string, number>();
    let all = 0;
    for (const { callFrame, hitCount = 0 } of measured.nodes) {
      if (callFrame.functionName !== '(idle)') {
        const place = placeOf(callFrame.functionName, callFrame.url);
        hits.set(place, (hits.get(place) ?? 0) + hitCount);
        all += hitCount;
      }
    }
    return new Map([...hits].map(([place, count]) => [place, (100 * count) / Math.max(1, all)]));
  } finally {
    session.disconnect();
  }
}

function placeOf(functionName: string, url: string): string {
  if (functionName === '(garbage collector)') {
    return 'garbage collection';
  }
  if (url.includes('/node_modules/rxjs/')) {
    return 'rxjs';
  }
  const [, own] = /\/dist\/(.+)\.js$/.exec(url) ?? [];
  if (own !== undefined && url.includes(projectRoot)) {
    return own.startsWith('bench/') ? 'the caller' : `${own}.ts`;
  }
  return 'V8 and Node.js: promises, built-in functions';
}
