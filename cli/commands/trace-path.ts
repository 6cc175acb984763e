import { fileURLToPath } from 'node:url';
import { UsageError } from '../errors.js';

/** The trace of `--demo`. */
const DEMO = fileURLToPath(new URL('../../../examples/traces/q35-boot.jsonl', import.meta.url));

/** The path of the trace that a command was given. @throws UsageError if there is none, or two */
export function tracePath(command: string, trace: string | undefined, isDemo: boolean): string {
  if (isDemo && trace !== undefined) {
    throw new UsageError(`--demo has a trace of its own, and ${trace} is another one; give one of them`);
  }
  const path = isDemo ? DEMO : trace;
  if (path === undefined) {
    throw new UsageError(`missing required argument 'trace'; see dma-streams ${command} --help`);
  }
  return path;
}
