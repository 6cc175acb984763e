import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface ChildResult {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Where the compiled `binding/index.js` and `streams/index.js` are, for programs given as text. */
export const BINDING = new URL('../../../binding/index.js', import.meta.url).href;
export const STREAMS = new URL('../../../streams/index.js', import.meta.url).href;

/** `memfdAreas`, for programs given as text: runChild imports it for them. */
const DESCRIPTORS = new URL('descriptors.js', import.meta.url).href;

/** The package's root folder. */
export const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));

/** In milliseconds. A slow machine sets the variable: an emulated one, for instance. */
const PATIENCE = Number(process.env['DMA_STREAMS_CHILD_TIMEOUT'] ?? 60_000);

interface ChildOptions {
  readonly flags?: readonly string[];
  /** Another Node, by its path. */
  readonly node?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly uid?: number;
  /** In milliseconds; then the process is killed. Default: 60,000, or the variable DMA_STREAMS_CHILD_TIMEOUT. */
  readonly timeout?: number;
  /** A command that runs the command that follows it, `nice` for instance. */
  readonly through?: readonly string[];
}

/** Runs an ES module, given as text, in a process of its own: what it does to the process shows in the result. */
export function runChild(program: string, options: ChildOptions = {}): ChildResult {
  const source = `
    import { readFileSync, readdirSync } from 'node:fs';
    import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
    import { memfdAreas } from ${JSON.stringify(DESCRIPTORS)};
    const BINDING = ${JSON.stringify(BINDING)};
    const STREAMS = ${JSON.stringify(STREAMS)};
    ${program}`;
  const node = [options.node ?? process.execPath, ...(options.flags ?? []), '--input-type=module', '-e', source];
  const [command = '', ...args] = [...(options.through ?? []), ...node];
  const child = spawnSync(command, args, {
    encoding: 'utf8',
    timeout: options.timeout ?? PATIENCE,
    env: { ...process.env, ...options.env },
    ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
  });
  return { status: child.status, signal: child.signal, stdout: child.stdout.trim(), stderr: child.stderr };
}
