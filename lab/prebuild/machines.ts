import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureNodePackage } from '../node-package.js';
import { projectRoot } from '../paths.js';
import { PrivateRoot } from '../private-root.js';
import { run } from '../run.js';
import { temporaryFolder } from '../temporary-folder.js';
import { HEADERS } from './build-addon.js';
import { ARM64_LIBRARIES, debian11, type Architecture } from './toolchain.js';

/** QEMU 10. The qemu-user of Debian 12 takes seconds to reserve addresses, and dies on large reservations. */
const EMULATOR = { name: 'trixie-qemu-user', suites: ['trixie'], packages: ['qemu-user'] };

/** The oldest supported Node.js on the oldest supported C library. */
export interface OldMachine {
  readonly description: string;
  /** The command that runs Node.js; arguments follow. */
  readonly node: readonly string[];
}

/** The machine for a prebuilt addon. That of arm64 is emulated. Downloads what is missing. */
export function oldMachine(architecture: Architecture): OldMachine {
  const { node } = ensureNodePackage(HEADERS, architecture);
  const what = `Node.js ${HEADERS} for ${architecture} on the C library of Debian 11`;
  if (architecture === 'x64') {
    return { description: what, node: [...debian11().linker(), node] };
  }
  const emulator = PrivateRoot.ensure(EMULATOR);
  return {
    description: `${what}, by qemu-user ${emulator.version('qemu-user')}`,
    // It is linked statically.
    node: [emulator.path('usr/bin/qemu-aarch64'), '-L', debian11().path(ARM64_LIBRARIES), node],
  };
}

/**
 * A folder with the program `node`, which runs a machine's Node.js. Node.js takes it for its own path, so that what it starts runs there as well.
 */
export function nodeFolder({ node }: OldMachine): string {
  const folder = temporaryFolder('node-');
  const path = join(folder, 'node');
  const setPath = `data:text/javascript,process.execPath=${encodeURIComponent(JSON.stringify(path))}`;
  const words = [...node, `--import=${setPath}`].map((word) => `'${word.replaceAll("'", `'\\''`)}'`);
  writeFileSync(path, `#!/bin/sh\nexec ${words.join(' ')} "$@"\n`);
  chmodSync(path, 0o755);
  return folder;
}

/**
 * The environment in which the prebuilt addon is loaded, though one was built in the project: node-gyp-build reads these variables.
 *
 * @param folder the folder that has `prebuilds/`
 */
export function withPrebuilds(folder = projectRoot): NodeJS.ProcessEnv {
  return { ...process.env, PREBUILDS_ONLY: '1', DMA_STREAMS_PREBUILD: folder };
}

/**
 * Replays the demo on a machine, and gives its last line.
 *
 * @param folder the folder that has `prebuilds/`
 * @throws Error with the output, if the addon does not load or the DMA check fails
 */
export function replayDemo({ node }: Pick<OldMachine, 'node'>, folder = projectRoot): string {
  const command = [...node, 'dist/cli/main.js', 'replay', 'examples/traces/q35-boot.jsonl'];
  const lines = run(command, { cwd: projectRoot, env: withPrebuilds(folder) })
    .trimEnd()
    .split('\n');
  return lines.at(-1) ?? '';
}
