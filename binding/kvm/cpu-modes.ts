import { checkInteger, checkOptions, toBytes } from '../checks.js';
import type { KvmRegisters, KvmSegment, KvmSpecialRegisters } from './registers.js';

const PAGE = 4096;
/** What a page table maps by one entry here: 2 MiB. */
const LARGE_PAGE = 1n << 21n;
const ENTRIES = 512;

/** Bits of a page table entry: present, writable, and a large page. */
const TABLE = 0x3n;
const PAGE_2M = 0x83n;

/** Bits of control registers. */
const CR0_PE = 1n << 0n;
const CR0_ET = 1n << 4n;
const CR0_PG = 1n << 31n;
const CR4_PAE = 1n << 5n;
const EFER_LME = 1n << 8n;
const EFER_LMA = 1n << 10n;

/** Segments: present, readable, accessed; code is executable, data writable. */
const REAL_CODE = 0x9b;
const REAL_DATA = 0x93;
const LONG_CODE = 0xa09b;
const LONG_DATA = 0xc093;
const BUSY_TASK = 0x8b;
const NO_TABLE = 0x1_0082;

/** Bit 1 of the flags is always set. */
const FLAGS = 2n;

/** The last offset in a segment of real mode. */
const OFFSET_MAX = 0xffff;

/** How a vCPU starts in real mode. */
export interface KvmRealMode {
  /** Offset of the first instruction in the code segment. */
  readonly entry: bigint | number;
  /** Code segment: its base is 16 times this number. Default: 0. */
  readonly segment?: number;
  /** Data segments and stack. Default: 0. */
  readonly dataSegment?: number;
  /** Default: 0, so that the first push is at the end of the segment. */
  readonly stackPointer?: bigint | number;
}

/** How a vCPU starts in long mode: 64 bits, interrupts off. */
export interface KvmLongMode {
  /** Virtual address of the first instruction. */
  readonly entry: bigint | number;
  /** Guest physical address of the page tables, a multiple of 4096: see {@link identityPageTables}. */
  readonly pageTables: bigint | number;
  /** Virtual address above the stack. Default: 0. */
  readonly stackPointer?: bigint | number;
}

interface State {
  readonly registers: KvmRegisters;
  readonly special: Partial<KvmSpecialRegisters>;
}

/** @throws TypeError, RangeError */
export function realMode(options: KvmRealMode): State {
  const {
    entry,
    segment = 0,
    dataSegment = 0,
    stackPointer = 0,
  } = checkOptions(options, { entry: true, segment: true, dataSegment: true, stackPointer: true }, 'setUpRealMode');
  checkInteger(segment, 'segment', 0, OFFSET_MAX + 1);
  checkInteger(dataSegment, 'dataSegment', 0, OFFSET_MAX + 1);
  const registers = registersAt(
    toBytes(entry, 'entry', BigInt(OFFSET_MAX)),
    toBytes(stackPointer, 'stackPointer', BigInt(OFFSET_MAX)),
  );
  const at = (selector: number, access: number): KvmSegment => ({
    base: BigInt(selector) << 4n,
    limit: OFFSET_MAX,
    selector,
    access,
  });
  const data = at(dataSegment, REAL_DATA);
  return {
    registers,
    special: {
      cs: at(segment, REAL_CODE),
      ...{ ds: data, es: data, fs: data, gs: data, ss: data },
      cr0: CR0_ET,
      cr4: 0n,
      efer: 0n,
    },
  };
}

/** @throws TypeError, RangeError */
export function longMode(options: KvmLongMode): State {
  const {
    entry,
    pageTables,
    stackPointer = 0n,
  } = checkOptions(options, { entry: true, pageTables: true, stackPointer: true }, 'setUpLongMode');
  const registers = registersAt(toBytes(entry, 'entry'), toBytes(stackPointer, 'stackPointer'));
  const cr3 = pageAt(pageTables, 'pageTables');
  const flat = (selector: number, access: number): KvmSegment => ({ base: 0n, limit: 0xffff_ffff, selector, access });
  const data = flat(0x10, LONG_DATA);
  return {
    registers,
    special: {
      cs: flat(0x8, LONG_CODE),
      ...{ ds: data, es: data, fs: data, gs: data, ss: data },
      tr: { base: 0n, limit: 0xffff, selector: 0, access: BUSY_TASK },
      ldt: { base: 0n, limit: 0xffff, selector: 0, access: NO_TABLE },
      cr0: CR0_PE | CR0_ET | CR0_PG,
      cr3,
      cr4: CR4_PAE,
      efer: EFER_LME | EFER_LMA,
    },
  };
}

/**
 * Page tables for long mode that map virtual to equal physical addresses, writable, by pages of 2 MiB. Copy them to the guest physical
 * address `at`.
 *
 * @param at a multiple of 4096
 * @param gigabytes how much to map from address 0 on, an integer from 1 to 512. Default: 4
 * @returns `(2 + gigabytes) * 4096` bytes
 * @throws TypeError, RangeError
 *
 * @example
 * ```ts
 * import { identityPageTables } from 'dma-streams/binding';
 *
 * console.log(identityPageTables(0x8000n).length); // 24576
 * ```
 */
export function identityPageTables(at: bigint | number, gigabytes = 4): Buffer {
  const start = pageAt(at, 'at');
  checkInteger(gigabytes, 'gigabytes', 1, ENTRIES + 1);
  const tables = Buffer.alloc((2 + gigabytes) * PAGE);
  const put = (table: number, entry: number, value: bigint): void => {
    tables.writeBigUInt64LE(value, table * PAGE + entry * 8);
  };
  put(0, 0, (start + BigInt(PAGE)) | TABLE);
  for (let gigabyte = 0; gigabyte < gigabytes; gigabyte++) {
    put(1, gigabyte, (start + BigInt((2 + gigabyte) * PAGE)) | TABLE);
    for (let entry = 0; entry < ENTRIES; entry++) {
      put(2 + gigabyte, entry, (BigInt(gigabyte * ENTRIES + entry) * LARGE_PAGE) | PAGE_2M);
    }
  }
  return tables;
}

function pageAt(address: bigint | number, name: string): bigint {
  const start = toBytes(address, name);
  if (start % BigInt(PAGE) !== 0n) {
    throw new RangeError(`${name} 0x${start.toString(16)} is not a multiple of 4096`);
  }
  return start;
}

function registersAt(rip: bigint, rsp: bigint): KvmRegisters {
  return {
    ...{ rax: 0n, rbx: 0n, rcx: 0n, rdx: 0n, rsi: 0n, rdi: 0n, rbp: 0n, rsp },
    ...{ r8: 0n, r9: 0n, r10: 0n, r11: 0n, r12: 0n, r13: 0n, r14: 0n, r15: 0n },
    ...{ rip, rflags: FLAGS },
  };
}
