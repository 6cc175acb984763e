import { parsePciAddress } from '../../binding/index.js';
import { LoggingTarget, SoftIommuTarget } from '../../targets/index.js';
import { messageOf, UsageError } from '../errors.js';
import { attachBackEnd, attachDevice, attachSoftware, type AttachTarget } from './attached-target.js';
import { parseBackEndOptions } from './back-end-options.js';
import { parseSoftOptions } from './soft-options.js';

/** What one `--target NAME[:ARG][,SETTING]…` asks for. */
export interface TargetChoice {
  /** In all output; no two are alike. */
  readonly name: string;
  /** For people: `'software IOMMU, type1v2 model'`. */
  readonly description: string;
  readonly kind: 'log' | 'soft' | 'real' | 'back-end';
  /** A kernel's target of this kind maps by host virtual address. */
  readonly byVa: boolean;
  /** Makes a target each time. */
  readonly attach: AttachTarget;
}

type Described = Omit<TargetChoice, 'attach'> & {
  readonly attach: (name: string) => AttachTarget;
};

const KINDS: Readonly<Record<string, (argument: string | undefined, asked: string) => Described>> = {
  log: (argument, asked) => {
    if (argument !== undefined) {
      throw unknownTarget(asked, '"log" takes no argument');
    }
    return {
      name: 'log',
      description: 'a log of all calls',
      kind: 'log',
      byVa: false,
      attach: (name) => attachSoftware(() => ({ target: new LoggingTarget({ name, write: NOWHERE }) })),
    };
  },
  soft: (argument = 'type1v2', asked) => {
    const options = settingsOf(parseSoftOptions, argument, asked);
    return {
      name: asked === 'soft:type1v2' ? 'soft' : asked,
      description: `software IOMMU, like ${MODELS[options.model]}`,
      kind: 'soft',
      byVa: options.model === 'type1v2',
      attach: (name) =>
        attachSoftware(() => {
          const target = new SoftIommuTarget({ ...options, name });
          return { target, device: target };
        }),
    };
  },
  vfio: (argument, asked) => {
    const address = pciAddressOf(argument, asked);
    return {
      name: `vfio:${address}`,
      description: 'the IOMMU of this machine, by VFIO type1',
      kind: 'real',
      byVa: true,
      attach: (name) => attachDevice(address, 'type1', name),
    };
  },
  iommufd: (argument, asked) => {
    const address = pciAddressOf(argument, asked);
    return {
      name: `iommufd:${address}`,
      description: 'the IOMMU of this machine, by iommufd',
      kind: 'real',
      // Memory of devices is mapped by host virtual address, also where the rest goes by file.
      byVa: true,
      attach: (name) => attachDevice(address, 'iommufd', name),
    };
  },
  'vhost-user': (argument, asked) => {
    if (argument === undefined) {
      throw new UsageError(
        `--target ${asked}: it takes the path of a socket; give ${asked}:/run/disk.sock, for instance`,
      );
    }
    const options = settingsOf(parseBackEndOptions, argument, asked);
    return {
      name: `vhost-user:${options.path}`,
      description: 'a vhost-user back end, which shares the memory',
      kind: 'back-end',
      byVa: false,
      attach: (name) => attachBackEnd(options, name),
    };
  },
};

function settingsOf<T>(read: (text: string) => T, argument: string, asked: string): T {
  try {
    return read(argument);
  } catch (error) {
    throw new UsageError(`--target ${asked}: ${messageOf(error)}`, { cause: error });
  }
}

/** The full form. */
function pciAddressOf(argument: string | undefined, asked: string): string {
  if (argument === undefined) {
    throw new UsageError(`--target ${asked}: it takes a PCI address; give ${asked}:0000:00:04.0, for instance`);
  }
  try {
    return parsePciAddress(argument);
  } catch (error) {
    throw new UsageError(`--target ${asked}: ${messageOf(error)}`);
  }
}

/** The calls of every target are journalled, and the log's are shown from there, lined up with one another. */
const NOWHERE = (): void => undefined;

const MODELS = {
  type1v2: 'VFIO type1: by host VA',
  iommufd: 'iommufd: by file',
  exact: 'an IOMMU that unmaps only what was mapped',
} as const;

/** Each target that can be asked for, with what it is: for the help. */
export const TARGET_HELP: readonly (readonly [string, string])[] = [
  ['log', 'writes every call down'],
  ['soft', `software IOMMU, like ${MODELS.type1v2} (also soft:type1v2)`],
  ['soft:iommufd', `software IOMMU, like ${MODELS.iommufd}`],
  ['soft:exact', `software IOMMU, like ${MODELS.exact}`],
  ['vfio:ADDRESS', 'the real IOMMU of a PCI device that is bound to vfio-pci, by VFIO type1'],
  ['iommufd:ADDRESS', 'the same, by iommufd'],
  ['vhost-user:SOCKET', 'another process: a vhost-user back end, such as qemu-storage-daemon'],
];

/** The settings that a target can be given, for the help. */
export const TARGET_SETTINGS_HELP = `  A software IOMMU accepts settings after its name, such as soft,reserved=none or soft:iommufd,aperture=0x0-0x8000000000,entries=100:
    aperture=A-B  the range of addresses that it translates; default 0x0-0x1000000000000
    reserved=A-B  a range that it cannot map; may be repeated; or none. Default: the interrupt window 0xfee00000-0xfef00000 on an x86 host
    entries=N     the maximum number of mappings
  vhost-user accepts settings after the path, such as vhost-user:/run/disk.sock,read-only=share,timeout=2:
    read-only=skip|refuse|share  memory that is not writable is not shared (the default), fails the commit, or is shared; then the back end can write it
    device=skip|share            memory of devices is skipped (the default), or shared
    timeout=SECONDS              how long to wait for each answer; default 10`;

export const DEFAULT_TARGETS: readonly string[] = ['log', 'soft:type1v2', 'soft:iommufd'];

/**
 * Reads `NAME[:ARG][,SETTING]…`, each time that the option was given. The second of a name becomes `soft-2`.
 *
 * @throws UsageError naming what can be asked for
 */
export function chooseTargets(asked: readonly string[]): readonly TargetChoice[] {
  const taken = new Set<string>();
  return asked.map((text) => {
    const { attach, ...described } = parse(text);
    const name = unusedName(described.name, taken);
    taken.add(name);
    return { ...described, name, attach: attach(name) };
  });
}

function parse(asked: string): Described {
  // `soft:MODEL`, and `soft,SETTING` without a model.
  const end = asked.search(/[:,]/);
  const name = end === -1 ? asked : asked.slice(0, end);
  const kind = Object.hasOwn(KINDS, name) ? KINDS[name] : undefined;
  if (kind === undefined) {
    throw unknownTarget(asked, 'there is no such target');
  }
  if (asked[end] === ',' && name !== 'soft') {
    const why = name === 'vhost-user' ? 'the path comes before the settings' : `"${name}" takes no settings`;
    throw unknownTarget(asked, why);
  }
  return kind(end === -1 ? undefined : asked.slice(end + 1), asked);
}

function unknownTarget(asked: string, why: string): UsageError {
  const known = TARGET_HELP.map(([name]) => name).join(', ');
  return new UsageError(`--target ${asked}: ${why}; give one of ${known}`);
}

function unusedName(name: string, taken: ReadonlySet<string>): string {
  let candidate = name;
  for (let count = 2; taken.has(candidate); count++) {
    candidate = `${name}-${count}`;
  }
  return candidate;
}
