import { copyFileSync, cpSync, mkdirSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { ensureNodePackage } from '../node-package.js';
import { projectRoot } from '../paths.js';
import { run } from '../run.js';
import { temporaryFolder } from '../temporary-folder.js';
import { toolchainFor, type Architecture } from './toolchain.js';

/** The oldest supported Node.js: its headers, and its compiler flags. The addon uses Node-API only, and loads in all later versions. */
export const HEADERS = '20.19.0';

/** What an addon is made of, in the folder of the project. */
export const SOURCES = ['binding.gyp', 'package.json', 'binding/src', 'node_modules/node-addon-api'];

/** The version of node-gyp that builds it: that of npm, which runs this. @throws Error if there is none */
export function nodeGypVersion(): string {
  return run(['node-gyp', '--version']).trim();
}

/**
 * Builds the addon for a processor, as `npm run build:native` does on a machine with Debian 11: by node-gyp, from a copy of the sources in a
 * folder of its own. The same sources and compilers give the same bytes, whatever that folder and this machine are.
 *
 * @param file where the addon is put; its folder is made
 * @throws Error with the output of node-gyp, if that fails
 */
export function buildAddon(architecture: Architecture, file: string): void {
  const { compiler, strip } = toolchainFor(architecture);
  const headers = ensureNodePackage(HEADERS, architecture);
  const folder = temporaryFolder('prebuild-');
  try {
    for (const source of SOURCES) {
      cpSync(join(projectRoot, source), join(folder, source), { recursive: true, dereference: true });
    }
    run(
      [
        ...['node-gyp', 'rebuild', `--nodedir=${headers.folder}`, `--arch=${architecture}`],
        ...[`--jobs=${availableParallelism()}`, '--loglevel=warn'],
      ],
      {
        cwd: folder,
        // Nothing else of the environment: CXXFLAGS, CPATH and their like would change what comes out.
        env: {
          PATH: process.env['PATH'],
          // gyp includes a file of the home folder, `.gyp/include.gypi`.
          HOME: folder,
          npm_config_node_gyp: process.env['npm_config_node_gyp'],
          CXX: compiler.join(' '),
          CXXFLAGS: `-ffile-prefix-map=${folder}=.`,
          SOURCE_DATE_EPOCH: '0',
          LC_ALL: 'C',
          TZ: 'UTC',
        },
      },
    );
    const built = join(folder, 'build/Release/dma_streams.node');
    run([...strip, '--strip-unneeded', built]);
    mkdirSync(dirname(file), { recursive: true });
    copyFileSync(built, file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
