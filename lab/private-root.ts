import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, isAbsolute, join, relative } from 'node:path';
import { moveIntoPlace } from './move-into-place.js';
import { cacheFolder } from './paths.js';
import { run } from './run.js';

/** What a private root is made of. */
export interface RootContents {
  /** Name of its folder. */
  readonly name: string;
  /** Suites of Debian. The last one is preferred where several have a package. */
  readonly suites: readonly string[];
  readonly packages: readonly string[];
  /** Packages that nothing here needs, though one of `packages` depends on them: they are left out, with what only they need. */
  readonly without?: readonly string[];
}

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const VERSIONS = 'versions';

/**
 * A folder into which packages of Debian were unpacked, with the libraries that they need, the C library included. Its programs run by its
 * own dynamic linker, so that programs of newer releases run here, without chroot, and nothing of the system changes.
 *
 * The package lists are those of an apt state of its own. Folders are made once, below `~/.cache/dma-streams/`: remove them to get what is
 * current.
 */
export class PrivateRoot {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /** Finds the root, or makes it. @throws Error with the output of apt-get or dpkg, if one fails */
  static ensure(contents: RootContents): PrivateRoot {
    const path = cacheFolder('roots', contents.name);
    if (!existsSync(path)) {
      console.warn(`unpacking ${contents.packages.join(', ')} of ${contents.suites.at(-1) ?? ''} into ${path}`);
      const unfinished = `${path}.${process.pid}`;
      try {
        fill(unfinished, contents);
        moveIntoPlace(join(unfinished, 'root'), path);
      } finally {
        rmSync(unfinished, { recursive: true, force: true });
      }
    }
    return new PrivateRoot(path);
  }

  /** The version of a package in it. */
  version(name: string): string {
    const versions = JSON.parse(readFileSync(join(this.#path, VERSIONS), 'utf8')) as Record<string, string>;
    return versions[name] ?? 'unknown';
  }

  /** The path of a file in it. @param file its path in the root */
  path(file = ''): string {
    return join(this.#path, file);
  }

  /** The command that runs a program of this root. @param program its path in the root */
  command(program: string, ...args: readonly string[]): readonly string[] {
    return [...this.linker(), join(this.#path, program), ...args];
  }

  /** The command that runs any program, whose path follows, by the dynamic linker and the libraries of this root. */
  linker(): readonly string[] {
    const linker = this.#find(['lib64', 'usr/lib64', 'lib', 'usr/lib'], /^ld-linux-.*\.so\.\d+$/);
    const libraries = ['lib', 'usr/lib']
      .flatMap((folder) => this.#entries(folder).map((entry) => join(this.#path, folder, entry)))
      .filter((folder) => folder.endsWith('-linux-gnu') && statSync(folder).isDirectory());
    return [linker, '--library-path', libraries.join(':')];
  }

  #find(folders: readonly string[], name: RegExp): string {
    for (const folder of folders) {
      const found = this.#entries(folder).find((entry) => name.test(entry));
      if (found !== undefined) {
        return join(this.#path, folder, found);
      }
    }
    throw new Error(`${this.#path} has no dynamic linker: remove the folder, it is made again`);
  }

  #entries(folder: string): readonly string[] {
    const path = join(this.#path, folder);
    return existsSync(path) ? readdirSync(path) : [];
  }
}

/** Downloads the packages and unpacks them into `folder`/root. */
function fill(folder: string, { suites, packages, without = [] }: RootContents): void {
  const root = join(folder, 'root');
  const archives = join(folder, 'archives');
  for (const made of [root, join(archives, 'partial'), join(folder, 'lists', 'partial')]) {
    mkdirSync(made, { recursive: true });
  }
  const mirror = systemMirror();
  writeFileSync(
    join(folder, 'sources.list'),
    suites.map((suite) => `deb [signed-by=${KEYRING}] ${mirror} ${suite} main\n`).join(''),
  );
  // apt takes what is left out for installed, in a version that suits everybody.
  const architecture = run(['dpkg', '--print-architecture']);
  writeFileSync(
    join(folder, 'status'),
    without
      .map((name) => [
        ...[
          `Package: ${name}`,
          'Status: install ok installed',
          'Version: 9999',
          `Architecture: ${architecture.trim()}`,
        ],
        ...['Maintainer: none', 'Description: left out', '\n'],
      ])
      .map((lines) => lines.join('\n'))
      .join(''),
  );
  const settings = {
    'Dir::State': folder,
    'Dir::State::lists': join(folder, 'lists'),
    'Dir::State::status': join(folder, 'status'),
    'Dir::Cache': folder,
    'Dir::Cache::archives': archives,
    'Dir::Etc::sourcelist': join(folder, 'sources.list'),
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::Etc::preferences': '/dev/null',
    'Dir::Etc::preferencesparts': '/dev/null',
    'Dir::Etc::trustedparts': '/dev/null',
    'Acquire::Languages': 'none',
    'APT::Install-Recommends': 'false',
    // As root, apt would download as another user, who cannot write here.
    'APT::Sandbox::User': 'root',
  };
  const config = join(folder, 'apt.conf');
  writeFileSync(
    config,
    Object.entries(settings)
      .map(([name, value]) => `${name} "${value}";\n`)
      .join(''),
  );
  const apt = (...args: string[]): void => {
    run(['apt-get', '-qq', ...args], {
      env: { ...process.env, APT_CONFIG: config, DEBIAN_FRONTEND: 'noninteractive' },
    });
  };
  apt('update', '-o', 'APT::Update::Error-Mode=any');
  apt('install', '-y', '--download-only', '-t', suites.at(-1) ?? '', ...packages);

  const versions: Record<string, string> = {};
  for (const file of readdirSync(archives).filter((name) => name.endsWith('.deb'))) {
    const archive = join(archives, file);
    run(['dpkg', '-x', archive, root]);
    const about = run(['dpkg-deb', '-W', '--showformat', '${Package} ${Version}', archive]);
    const [name = '', version = ''] = about.split(' ');
    versions[name] = version;
  }
  relativeLinks(root);
  writeFileSync(join(root, VERSIONS), JSON.stringify(versions, undefined, 2));
}

/** Symbolic links to absolute paths would lead out of the root, to files of this system. */
function relativeLinks(root: string): void {
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true }).filter((one) =>
    one.isSymbolicLink(),
  )) {
    const link = join(entry.parentPath, entry.name);
    const target = readlinkSync(link);
    if (isAbsolute(target)) {
      rmSync(link);
      symlinkSync(relative(dirname(link), join(root, target)), link);
    }
  }
}

/** The mirror that the system's own sources name. @throws Error if they name none */
function systemMirror(): string {
  const folder = '/etc/apt/sources.list.d';
  const files = [
    '/etc/apt/sources.list',
    ...(existsSync(folder) ? readdirSync(folder).map((file) => join(folder, file)) : []),
  ];
  const text = files.map((file) => (existsSync(file) ? readFileSync(file, 'utf8') : '')).join('\n');
  const mirror = /^(?:URIs:|deb(?: \[[^\]]*\])?) *(https?:\S*\/debian)\/?(?: |$)/m.exec(text)?.[1];
  if (mirror === undefined) {
    throw new Error(
      `programs of other releases are unpacked from a mirror of Debian, and ${files.join(', ')} name none: add one there`,
    );
  }
  return mirror;
}
