/** Whether an operation works on this machine. It was tried; nothing is inferred from version numbers. */
export type Trial =
  | { readonly works: true }
  | { readonly works: false; readonly code: string; readonly message: string; readonly hint: string | null };

/**
 * The access of this process to a file: it can open it for reading and writing (`'allowed'`); it cannot, because of the file's mode
 * (`'denied'`) or of the device cgroup (`'forbidden'`), which applies to root as well; or the file does not exist (`'missing'`).
 */
export type Access = 'allowed' | 'denied' | 'forbidden' | 'missing';

export interface DeviceFile {
  readonly path: string;
  readonly access: Access;
}

export interface PciDeviceFacts {
  /** `'0000:00:04.0'` */
  readonly address: string;
  /** `'1234:11e8'` */
  readonly id: string;
  /** Vendor and device, from the database of the PCI ID Project; `null` if unknown. Text from a file: it may contain anything. */
  readonly name: string | null;
  /** Base class of the PCI code and ID assignment specification: `'network'`. */
  readonly kind: string;
  readonly driver: string | null;
  /** Bound to a VFIO driver: a process can open it. */
  readonly bound: boolean;
  /** Its driver prevents the whole group from being assigned. */
  readonly foreign: boolean;
  /** For an iommufd: `/dev/vfio/devices/vfioN`. */
  readonly file: DeviceFile | null;
}

/** An IOMMU group: devices that the IOMMU cannot isolate from one another. */
export interface IommuGroupFacts {
  readonly number: number;
  /** No member that can do DMA is bound to a driver other than VFIO's. */
  readonly viable: boolean;
  /** Ranges that the firmware reserves for its devices, so that they cannot be assigned: `'0xbf7e2000-0xbf800000'`. */
  readonly firmwareRanges: readonly string[];
  /** `/dev/vfio/N`, which exists once a member is bound to vfio-pci. */
  readonly file: DeviceFile;
  readonly devices: readonly PciDeviceFacts[];
}

export interface IommuFacts {
  /** The database with the names of PCI devices; `null` if this machine has none. */
  readonly names: string | null;
  /** Names of the active IOMMUs: `'dmar0'`. */
  readonly units: readonly string[];
  readonly groups: readonly IommuGroupFacts[];
  /** PCI devices that are not behind an IOMMU. */
  readonly ungrouped: readonly PciDeviceFacts[];
  /** Addresses of the devices in VFIO's no-IOMMU mode, which this library does not use: they are listed in `ungrouped`. */
  readonly noIommuMode: readonly string[];
  /** Whether interrupts are remapped, so that a device can raise only its own; `null` if unknown. */
  readonly interruptRemapping: boolean | null;
  /** Whether this is a virtual machine; the IOMMU is then configured in its monitor. */
  readonly virtualMachine: boolean;
  readonly processor: 'intel' | 'amd' | 'arm' | 'other';
}

export interface LockedMemoryFacts {
  /** In bytes; `null` if no limit applies to this process. */
  readonly limit: number | null;
  readonly capIpcLock: boolean;
  /** In bytes; VFIO type1 counts in `locked`, iommufd in `pinned`. */
  readonly locked: number;
  readonly pinned: number;
}

export interface HugePageFacts {
  /** In bytes. */
  readonly size: number;
  readonly total: number;
  readonly free: number;
}

export interface NodeFacts {
  /** `'20.19.1'` */
  readonly version: string;
  readonly path: string;
  /** The versions that the package supports: `'>=20.19'`. */
  readonly required: string;
  readonly supported: boolean;
}

export interface AddonFacts {
  /** `'built'`: in the folder of the package, on this machine. `null` if there is no file for this platform. */
  readonly file: { readonly path: string; readonly kind: 'prebuilt' | 'built' } | null;
  /** Whether it loads. */
  readonly trial: Trial;
}

/** The state of the machine. */
export interface DoctorFacts {
  /** `'7.3.4'` */
  readonly kernel: string;
  readonly architecture: string;
  readonly node: NodeFacts;
  readonly addon: AddonFacts;
  /** Memory was mapped at a software IOMMU and accessed by DMA. */
  readonly software: Trial;
  readonly iommu: IommuFacts;
  readonly vfio: {
    readonly file: DeviceFile;
    readonly open: Trial;
    /** Mappings that one container can hold; `null` if unknown. */
    readonly dmaEntryLimit: number | null;
    /** Whether devices are accepted whose interrupts are not remapped; `null` if unknown. */
    readonly allowsUnsafeInterrupts: boolean | null;
  };
  readonly iommufd: {
    readonly file: DeviceFile;
    readonly open: Trial;
    /** `null` if unknown. */
    readonly mapsFiles: boolean | null;
    /** As for VFIO type1. */
    readonly allowsUnsafeInterrupts: boolean | null;
  };
  readonly kvm: {
    readonly file: DeviceFile;
    /** A virtual machine was created, and its guest ran. */
    readonly runs: Trial;
    /** Memory slots that a virtual machine can have; `null` if unknown. */
    readonly slots: number | null;
  };
  readonly lockedMemory: LockedMemoryFacts | null;
  readonly hugePages: readonly HugePageFacts[];
  /** Host mappings that a process may have. */
  readonly maxMapCount: number | null;
}

/** Instructions that fix or improve something. */
export interface Cure {
  /** A sentence. */
  readonly says: string;
  readonly commands: readonly string[];
  /** Whether the commands must be run as root. */
  readonly root: boolean;
}

export interface Check {
  /** `'IOMMU'` */
  readonly name: string;
  /** `'limited'`: usable, with restrictions. */
  readonly state: 'works' | 'limited' | 'fails';
  readonly says: string;
  readonly cures: readonly Cure[];
}

/** What can be used now. */
export interface Readiness {
  readonly software: boolean;
  /** Addresses of devices that can be opened. */
  readonly type1: readonly string[];
  readonly iommufd: readonly string[];
  readonly kvm: boolean;
}

/** Something that a script requires, by `--require`. */
export interface Requirement {
  /** `'vfio'` */
  readonly name: string;
  readonly met: boolean;
}

/** One device that was asked for. */
export interface DeviceReport {
  readonly address: string;
  readonly id: string;
  /** As in the facts: it may contain anything. */
  readonly name: string | null;
  readonly kind: string;
  /** Whether it can be used through VFIO type1 now. */
  readonly type1: boolean;
  readonly iommufd: boolean;
  /** What it requires, in the order in which problems are to be solved. */
  readonly checks: readonly Check[];
}

export interface DoctorReport {
  readonly facts: DoctorFacts;
  readonly checks: readonly Check[];
  readonly ready: Readiness;
  /** Those that were asked for; empty if the report is about the machine. */
  readonly devices: readonly DeviceReport[];
  /** In the order of the command line; empty if nothing is required. */
  readonly required: readonly Requirement[];
}
