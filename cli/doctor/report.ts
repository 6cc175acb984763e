/** Whether something could be done on this machine. It was tried: nothing is concluded from versions. */
export type Trial =
  | { readonly works: true }
  | { readonly works: false; readonly code: string; readonly message: string; readonly hint: string | null };

/**
 * What this process may do with a file: open it for reading and writing; not open it, because of the file's mode (`'denied'`) or of the device
 * cgroup (`'forbidden'`), which counts for root as well; or not even see it.
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
  /** Base class of the PCI code and ID assignment specification: `'network'`. */
  readonly kind: string;
  readonly driver: string | null;
  /** Held by a VFIO driver: a process can open it. */
  readonly bound: boolean;
  /** Its driver keeps the whole group from being given away. */
  readonly foreign: boolean;
  /** For an iommufd: `/dev/vfio/devices/vfioN`. */
  readonly file: DeviceFile | null;
  /** Hands it to vfio-pci, as root. */
  readonly bindCommand: string;
}

/** The devices that the IOMMU cannot tell apart. */
export interface IommuGroupFacts {
  readonly number: number;
  /** No driver but VFIO's holds a member that can do DMA. */
  readonly viable: boolean;
  /** What the firmware reserves for its devices, which keeps them from being given away: `'0xbf7e2000-0xbf800000'`. */
  readonly firmwareRanges: readonly string[];
  /** `/dev/vfio/N`, which is there once a member is bound to vfio-pci. */
  readonly file: DeviceFile;
  readonly devices: readonly PciDeviceFacts[];
}

export interface IommuFacts {
  /** Names of the IOMMUs that drive devices: `'dmar0'`. */
  readonly units: readonly string[];
  readonly groups: readonly IommuGroupFacts[];
  /** PCI devices with no IOMMU in front of them. */
  readonly ungrouped: readonly PciDeviceFacts[];
  /** Addresses of the devices that VFIO has in no-IOMMU mode, which is not used: they are among `ungrouped`. */
  readonly noIommuMode: readonly string[];
  /** Whether devices can raise no interrupts but their own; `null` when it cannot be found out. */
  readonly interruptRemapping: boolean | null;
  /** Whether this is a virtual machine; the firmware switch is then its monitor's. */
  readonly virtualMachine: boolean;
  readonly processor: 'intel' | 'amd' | 'arm' | 'other';
}

export interface LockedMemoryFacts {
  /** In bytes; `null` when none counts for this process. */
  readonly limit: number | null;
  readonly capIpcLock: boolean;
  /** In bytes: counted for VFIO type1, and for iommufd. */
  readonly locked: number;
  readonly pinned: number;
}

export interface HugePageFacts {
  /** In bytes. */
  readonly size: number;
  readonly total: number;
  readonly free: number;
}

/** What was found. */
export interface DoctorFacts {
  /** `'7.3.4'` */
  readonly kernel: string;
  readonly architecture: string;
  readonly addon: Trial;
  /** Memory was mapped at a software IOMMU, and DMA reached it. */
  readonly software: Trial;
  readonly iommu: IommuFacts;
  readonly vfio: {
    readonly file: DeviceFile;
    readonly open: Trial;
    /** Mappings that one container can hold; `null` when the module does not say. */
    readonly dmaEntryLimit: number | null;
    /** Whether devices are taken whose interrupts are not remapped; `null` when the module does not say. */
    readonly allowsUnsafeInterrupts: boolean | null;
  };
  readonly iommufd: {
    readonly file: DeviceFile;
    readonly open: Trial;
    /** `null` when it could not be asked. */
    readonly mapsFiles: boolean | null;
    /** As of VFIO type1. */
    readonly allowsUnsafeInterrupts: boolean | null;
  };
  readonly lockedMemory: LockedMemoryFacts | null;
  readonly hugePages: readonly HugePageFacts[];
  /** Host mappings that a process may have. */
  readonly maxMapCount: number | null;
}

/** What would make something work, or work better. */
export interface Cure {
  /** A sentence. */
  readonly says: string;
  readonly commands: readonly string[];
  /** Whether the commands are for root. */
  readonly root: boolean;
}

export interface Check {
  /** `'IOMMU'` */
  readonly name: string;
  /** `'limited'`: usable as it is, and could be better. */
  readonly state: 'works' | 'limited' | 'fails';
  readonly says: string;
  readonly cures: readonly Cure[];
}

/** What can be used here and now. */
export interface Readiness {
  readonly software: boolean;
  /** Addresses of devices that can be opened. */
  readonly type1: readonly string[];
  readonly iommufd: readonly string[];
}
