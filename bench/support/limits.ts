/**
 * The limits of the figures of `npm run bench` and `npm run bench:kernel`. Limits for times are ratios to a baseline of the same run, because other machines are faster or slower.
 * docs/performance.md and docs/architecture.md name them, and a spec compares.
 */

/** A change at one no-op target, in sets of 64 at random places: multiples of `std::map` with a virtual call, by number of mappings. */
export const STD_MAP_RATIOS: Readonly<Record<number, number>> = { 10_000: 1.6, 100_000: 1.3, 1_000_000: 0.8 };

/** Growth of the cost of a change at random places from 100 mappings, by number of mappings. */
export const GROWTH: Readonly<Record<number, number>> = { 100_000: 2, 1_000_000: 2.5 };

/** A target behind a branch that the caller makes of it, as a multiple of `attach(target)`: in time. */
export const BRANCH_RATIO = 1.05;
/** The same in instructions. */
export const BRANCH_INSTRUCTIONS_RATIO = 1.02;

/** A manager with `overlap: 'any'` whose regions do not overlap, compared with `'contained'`, in instructions. */
export const ANY_OVERLAP_INSTRUCTIONS_RATIO = 1.02;

/** Attaching, per mapping: multiples of a walk through `std::map` with a virtual call for each, by number of mappings. */
export const ATTACH_RATIOS: Readonly<Record<number, number>> = { 65_535: 8, 1_000_000: 8 };

/** Hiding an overlay and showing it again, in microseconds, by its number of mappings. No baseline does the same work. */
export const TOGGLE_MICROSECONDS: Readonly<Record<number, number>> = { 1: 3, 100: 20 };

/** Heap for each mapping: the manager, and one target that follows it. */
export const HEAP_BYTES = 200;
/** The kernel's data structures of an empty address space of 1 TiB, in MiB. */
export const RESERVATION_MIB = 1;

/** `GuestMemory.read` and `write`, as multiples of the same copy without guest memory: 64 bytes, and 1 MiB. */
export const COPY_RATIOS = { small: 1.3, large: 1.1 } as const;

/** The longest stall of the event loop. It is a promise to the caller's other work, and not relative to anything. */
export const STALL_MS = 10;

/** A change at one no-op target with the members of a kernel target, in sets of 64: instructions. */
export const IDLE_INSTRUCTIONS = 3500;

/** A multiple of the C++ loop over the same ioctls, without `mmap`. */
export interface LoopRatios {
  readonly alone?: number;
}

/** Multiples of the C++ loop for the maps and unmaps of 4 KiB and of 2 MiB and more. */
export interface WayRatios {
  readonly oneByOne: LoopRatios;
  readonly sets: LoopRatios;
  readonly large: LoopRatios;
}

/** By host virtual address, with `RamBlocks`, in which a mapping costs no `mmap`. One by one it has no limit. */
export const BY_VA_RATIOS: WayRatios = { oneByOne: {}, sets: { alone: 1.75 }, large: { alone: 1.02 } };
/** By file. */
export const BY_FILE_RATIOS: WayRatios = { oneByOne: { alone: 2.5 }, sets: { alone: 1.6 }, large: { alone: 1.02 } };

/** Setting and deleting memory slots of a VM by `KvmTarget` in sets of 64: a multiple of the C++ loop, in instructions. */
export const SLOTS_RATIO = 1.3;

/** Attaching to a running machine on a real IOMMU: a multiple of the C++ loop, in time. */
export const HOT_ATTACH_RATIO = 1.1;
/** The same in instructions, with 10,000 mappings of 4 KiB. */
export const HOT_ATTACH_INSTRUCTIONS_RATIO = 1.3;
/** A large map at two targets: a multiple of the time at one. */
export const PARALLEL_RATIO = 1.2;

/** Sharing memory with a vhost-user back end: multiples of the same messages from C++, in time. */
export const VHOST_USER_RATIOS = { oneByOne: 1.3, sets: 1.1 } as const;
/** Barriers of a set of 500 regions at a vhost-user back end. */
export const BARRIERS_OF_A_SET = 1;

/** One redraw of the inspector's page with 100,000 mappings, and all else that it does in the same frame. Nothing else does the same. */
export const PAGE_REDRAW_MS = 200;
/** A change with one page of the inspector open: a multiple of the processor time without. */
export const INSPECT_RATIO = 1.2;
