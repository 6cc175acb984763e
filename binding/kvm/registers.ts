import { checkInteger, checkObject, checkU64 } from '../checks.js';

/** The names, in the order of native code (`binding/src/kvm/registers.h`). */
const GENERAL: readonly (keyof KvmRegisters)[] = [
  ...(['rax', 'rbx', 'rcx', 'rdx', 'rsi', 'rdi', 'rsp', 'rbp'] as const),
  ...(['r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15', 'rip', 'rflags'] as const),
];
const SEGMENTS = ['cs', 'ds', 'es', 'fs', 'gs', 'ss', 'tr', 'ldt'] as const;
const TABLES = ['gdt', 'idt'] as const;
const CONTROLS = ['cr0', 'cr2', 'cr3', 'cr4', 'cr8', 'efer', 'apicBase'] as const;
const SEGMENT_FIELDS = 4;
const TABLE_FIELDS = 2;

/** How many numbers native code takes. */
export const GENERAL_COUNT = GENERAL.length;
export const SPECIAL_COUNT = SEGMENTS.length * SEGMENT_FIELDS + TABLES.length * TABLE_FIELDS + CONTROLS.length;

/** The general registers of a vCPU, the instruction pointer and the flags. */
export type KvmRegisters = Readonly<
  Record<
    | ('rax' | 'rbx' | 'rcx' | 'rdx' | 'rsi' | 'rdi' | 'rsp' | 'rbp')
    | ('r8' | 'r9' | 'r10' | 'r11' | 'r12' | 'r13' | 'r14' | 'r15' | 'rip' | 'rflags'),
    bigint
  >
>;

/** A segment register, with what the processor has loaded of its descriptor. */
export interface KvmSegment {
  /** Linear address. */
  readonly base: bigint;
  /** The last offset, in bytes. */
  readonly limit: number;
  /** What the guest has loaded: 16 bits. */
  readonly selector: number;
  /** Bits 0 to 3: type, 4: S, 5 and 6: DPL, 7: present, 12: AVL, 13: L, 14: D/B, 15: G, 16: unusable. */
  readonly access: number;
}

/** A descriptor table register. */
export interface KvmTable {
  /** Linear address. */
  readonly base: bigint;
  /** The last offset, in bytes. */
  readonly limit: number;
}

/** The segment, table and control registers of a vCPU. */
export interface KvmSpecialRegisters
  extends
    Readonly<Record<(typeof SEGMENTS)[number], KvmSegment>>,
    Readonly<Record<(typeof TABLES)[number], KvmTable>>,
    Readonly<Record<(typeof CONTROLS)[number], bigint>> {}

export function toRegisters(numbers: BigUint64Array): KvmRegisters {
  return Object.fromEntries(GENERAL.map((name, index) => [name, numbers[index]])) as unknown as KvmRegisters;
}

/** Writes the registers that are given. @throws TypeError or RangeError for a value that is none */
export function putRegisters(numbers: BigUint64Array, registers: Partial<KvmRegisters>): void {
  checkNames(registers, GENERAL);
  GENERAL.forEach((name, index) => {
    const value = registers[name];
    if (value !== undefined) {
      checkU64(value, name);
      numbers[index] = value;
    }
  });
}

export function toSpecialRegisters(numbers: BigUint64Array): KvmSpecialRegisters {
  let at = 0;
  const next = (): bigint => numbers[at++] ?? 0n;
  const small = (): number => Number(next());
  return {
    ...Object.fromEntries(
      SEGMENTS.map((name) => [name, { base: next(), limit: small(), selector: small(), access: small() }]),
    ),
    ...Object.fromEntries(TABLES.map((name) => [name, { base: next(), limit: small() }])),
    ...Object.fromEntries(CONTROLS.map((name) => [name, next()])),
  } as unknown as KvmSpecialRegisters;
}

/** Writes the registers that are given. @throws TypeError or RangeError for a value that is none */
export function putSpecialRegisters(numbers: BigUint64Array, registers: Partial<KvmSpecialRegisters>): void {
  checkNames(registers, [...SEGMENTS, ...TABLES, ...CONTROLS]);
  let at = 0;
  for (const name of SEGMENTS) {
    const value = registers[name];
    if (value !== undefined) {
      const { base, limit, selector, access } = checkObject(value, name);
      checkU64(base, `base of ${name}`);
      checkInteger(limit, `limit of ${name}`, 0, 0x1_0000_0000);
      checkInteger(selector, `selector of ${name}`, 0, 0x1_0000);
      checkInteger(access, `access of ${name}`, 0, 0x2_0000);
      numbers.set([base, BigInt(limit), BigInt(selector), BigInt(access)], at);
    }
    at += SEGMENT_FIELDS;
  }
  for (const name of TABLES) {
    const value = registers[name];
    if (value !== undefined) {
      const { base, limit } = checkObject(value, name);
      checkU64(base, `base of ${name}`);
      checkInteger(limit, `limit of ${name}`, 0, 0x1_0000);
      numbers.set([base, BigInt(limit)], at);
    }
    at += TABLE_FIELDS;
  }
  for (const name of CONTROLS) {
    const value = registers[name];
    if (value !== undefined) {
      checkU64(value, name);
      numbers[at] = value;
    }
    at += 1;
  }
}

/** A misspelt register would be ignored. */
function checkNames(registers: unknown, names: readonly string[]): void {
  for (const name of Object.keys(checkObject(registers as object, 'registers'))) {
    if (!names.includes(name)) {
      throw new TypeError(`there is no register ${name}; there are ${names.join(', ')}`);
    }
  }
}
