import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { buildNative, projectRoot } from './native-program.js';

/**
 * Builds and loads `bench/native/NAME.cc` as an addon of Node.js, with the headers that node-gyp has built the addon of the library with.
 *
 * @throws Error if there are no headers, or as `buildNative`
 */
export function loadAddon(name: string): unknown {
  const configuration = join(projectRoot, 'build/config.gypi');
  const [, headers] = /"nodedir": "(.+)"/.exec(readFileSync(configuration, 'utf8')) ?? [];
  if (headers === undefined) {
    throw new Error(`${configuration} names no headers of Node.js: run npm run build:native`);
  }
  const program = buildNative(name, {
    flags: ['-shared', '-fPIC', `-I${join(headers, 'include/node')}`],
    suffix: '.node',
  });
  return createRequire(import.meta.url)(program);
}
