import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../paths.js';
import { HEADERS, SOURCES } from './build-addon.js';
import { ARCHITECTURES, type Architecture } from './toolchain.js';

/** The folder that node-gyp-build looks into, in the package as in the project. */
export const PREBUILDS = join(projectRoot, 'prebuilds');
const MANIFEST = 'manifest.json';
/** What decides how the addons are built, in the folder of the project. */
const SCRIPTS = 'lab/prebuild';

/** One addon of the package. */
export interface PrebuiltAddon {
  /** Its path in `prebuilds/`. */
  readonly file: string;
  readonly sha256: string;
  /** The newest symbol versions that it needs, for example `GLIBC: '2.28'`. */
  readonly needs: Readonly<Record<string, string>>;
  /** The packages of Debian that it was built with, and their versions. */
  readonly packages: Readonly<Record<string, string>>;
}

/** `prebuilds/manifest.json`: what the addons were built from, and with. */
export interface Manifest {
  /** Of dma-streams. */
  readonly version: string;
  /** Of the headers. */
  readonly node: string;
  /** The version of node-gyp that built them. */
  readonly nodeGyp: string;
  /** SHA-256 of the names and contents of all sources. */
  readonly sources: string;
  readonly addons: readonly PrebuiltAddon[];
}

/** The path of an addon in `prebuilds/`. The name says what it needs: Node-API, and glibc rather than musl. */
export function prebuiltFile(architecture: Architecture): string {
  return join(`linux-${architecture}`, 'dma_streams.napi.glibc.node');
}

/** Writes the manifest of addons in `folder`, of this version of the package. Their sources are a hash: {@link hashOfSources}. */
export function writeManifest(folder: string, built: Pick<Manifest, 'nodeGyp' | 'sources' | 'addons'>): void {
  const manifest: Manifest = { version: packageVersion(), node: HEADERS, ...built };
  writeFileSync(join(folder, MANIFEST), `${JSON.stringify(manifest, undefined, 2)}\n`);
}

/** The manifest in a folder, if there is one. @throws SyntaxError if it is no JSON */
export function readManifest(folder = PREBUILDS): Manifest | undefined {
  const path = join(folder, MANIFEST);
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Manifest) : undefined;
}

/**
 * Why the package must not be published with what is in `prebuilds/`: one sentence each. There are none if the addons of all processors are
 * there, as they were built, from the sources as they are now, and nothing else.
 */
export function prebuildProblems(folder = PREBUILDS): readonly string[] {
  const manifest = readManifest(folder);
  if (manifest === undefined) {
    return [`${join(folder, MANIFEST)} is not there`];
  }
  const problems: string[] = [];
  if (manifest.version !== packageVersion()) {
    problems.push(`the addons are those of version ${manifest.version}, and the package is ${packageVersion()}`);
  } else if (manifest.node !== HEADERS || manifest.sources !== hashOfSources()) {
    problems.push('the sources of the addon have changed since it was built');
  }
  const files = ARCHITECTURES.map(prebuiltFile);
  for (const file of files) {
    const path = join(folder, file);
    const addon = manifest.addons.find((one) => one.file === file);
    if (addon === undefined || !existsSync(path)) {
      problems.push(`${file} is not there`);
    } else if (hashOfFile(path) !== addon.sha256) {
      problems.push(`${file} is not what was built`);
    }
  }
  const others = filesOf(folder, '').filter((file) => file !== MANIFEST && !files.includes(file));
  return [...problems, ...others.map((file) => `${file} does not belong there`)];
}

/** SHA-256 of a file, in hexadecimal digits. */
export function hashOfFile(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

function packageVersion(project = projectRoot): string {
  return (JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')) as { readonly version: string }).version;
}

/**
 * SHA-256 of the sources of the addon, and of the scripts that build it. Of package.json only the version goes into it; the rest may change.
 */
export function hashOfSources(project = projectRoot): string {
  const hash = createHash('sha256').update(packageVersion(project));
  const sources = [...SOURCES, SCRIPTS].filter((source) => source !== 'package.json');
  for (const file of sources.flatMap((source) => filesOf(project, source))) {
    hash.update(`\n${file} ${hashOfFile(join(project, file))}`);
  }
  return hash.digest('hex');
}

/** The files below a path in a folder, or the file itself, in an order that does not depend on the file system. */
function filesOf(folder: string, path: string): readonly string[] {
  const absolute = join(folder, path);
  return statSync(absolute).isDirectory()
    ? readdirSync(absolute)
        .sort()
        .flatMap((name) => filesOf(folder, join(path, name)))
    : [path];
}
