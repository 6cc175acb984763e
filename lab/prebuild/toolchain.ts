import { join } from 'node:path';
import { PrivateRoot } from '../private-root.js';

/** The processors that the package has an addon for, as Node.js names them. */
export const ARCHITECTURES = ['x64', 'arm64'] as const;
export type Architecture = (typeof ARCHITECTURES)[number];

/** The C library and the compilers of Debian 11. Its C library is the oldest that is supported, and its GCC 10 knows the C++ of the addon. */
const ROOT = { name: 'bullseye-compilers', suites: ['bullseye'], packages: ['g++', 'g++-aarch64-linux-gnu'] };

/**
 * Symbol versions of the C library and of that of C++ in Debian 11. Who has them can load the addon: Debian 11, Ubuntu 22.04, RHEL 9 and later
 * releases.
 */
export const NEWEST_SYMBOLS: ReadonlyMap<string, string> = new Map([
  ['GLIBC', '2.31'],
  ['GLIBCXX', '3.4.28'],
  ['CXXABI', '1.3.12'],
  ['GCC', '7.0.0'],
]);

/** The folder of {@link debian11} with the libraries for arm64. */
export const ARM64_LIBRARIES = 'usr/aarch64-linux-gnu';

/** Debian 11 in a private root: for x86-64, with cross compilers and libraries for arm64. */
export function debian11(): PrivateRoot {
  return PrivateRoot.ensure(ROOT);
}

/** What compiles and inspects an addon for one processor. */
export interface Toolchain {
  /** The C++ compiler as a command, with its environment. */
  readonly compiler: readonly string[];
  readonly strip: readonly string[];
  readonly readelf: readonly string[];
  /** The packages of Debian that decide what comes out, with their versions. */
  readonly packages: Readonly<Record<string, string>>;
}

/**
 * Finds the compiler for a processor, or unpacks it: 1 GB below `~/.cache/dma-streams/roots/`, since the cross compiler of Debian 11 has its
 * debug symbols.
 *
 * @throws Error on a machine that is not x86-64 with Debian or its like
 */
export function toolchainFor(architecture: Architecture): Toolchain {
  if (process.arch !== 'x64') {
    throw new Error(`the compilers run on x86-64, and this is ${process.arch}: run npm run prebuild there`);
  }
  const root = debian11();
  const triplet = architecture === 'x64' ? 'x86_64-linux-gnu' : 'aarch64-linux-gnu';
  // The programs run by the C library of this system, which is no older than theirs. Their other libraries are in the root, and its C library
  // is not in this folder.
  const tool = (name: string): readonly string[] => [
    'env',
    `LD_LIBRARY_PATH=${root.path('usr/lib/x86_64-linux-gnu')}`,
    root.path(join('usr/bin', `${triplet}-${name}`)),
  ];
  const packages =
    architecture === 'x64'
      ? ['g++-10', 'binutils-x86-64-linux-gnu', 'libstdc++-10-dev', 'libc6-dev', 'linux-libc-dev']
      : [
          ...['g++-10-aarch64-linux-gnu', 'binutils-aarch64-linux-gnu', 'libstdc++-10-dev-arm64-cross'],
          ...['libc6-dev-arm64-cross', 'linux-libc-dev-arm64-cross'],
        ];
  return {
    compiler: [
      ...tool('g++-10'),
      `--sysroot=${root.path()}`,
      // The compiler for its own machine would take the assembler and the linker of this system.
      ...(architecture === 'x64' ? [`-B${root.path('usr/bin')}/`] : []),
    ],
    strip: tool('strip'),
    readelf: tool('readelf'),
    packages: Object.fromEntries(packages.map((name) => [name, root.version(name)])),
  };
}
