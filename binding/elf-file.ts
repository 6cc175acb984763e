import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** Values of `e_machine`, by the names of Node.js for the processors that the addon is built for. */
const MACHINES: Readonly<Record<string, number>> = { x64: 62, arm64: 183 };

const MAGIC = 0x7f454c46;
const CLASS_64 = 2;
const LITTLE_ENDIAN = 1;
const SHARED_OBJECT = 3;
const HEADER_SIZE = 64;
const SEGMENT_SIZE = 56;
const PT_LOAD = 1;

/**
 * Why the dynamic linker must not be given a file as the addon: `'is cut off: …'`, for example. It maps what the headers name without a
 * comparison with the size of the file, and then the first access to what is missing ends the process (SIGBUS).
 *
 * The headers are those of `Elf64_Ehdr` and `Elf64_Phdr` in elf(5). Damage within the segments is not looked for.
 *
 * @returns `undefined` if its headers are right
 * @throws a system error of Node.js if the file cannot be read
 */
export function elfProblem(path: string): string | undefined {
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const header = readAt(file, 0, HEADER_SIZE);
    if (header.length < HEADER_SIZE || header.readUInt32BE(0) !== MAGIC) {
      return size === 0 ? 'is empty' : 'is no shared object';
    }
    if (header[4] !== CLASS_64 || header[5] !== LITTLE_ENDIAN || header.readUInt16LE(16) !== SHARED_OBJECT) {
      return 'is no shared object for a processor with 64 bits';
    }
    const machine = header.readUInt16LE(18);
    const wanted = MACHINES[process.arch];
    if (wanted !== undefined && machine !== wanted) {
      return `is for ${nameOf(machine)}, and this is ${process.arch}`;
    }
    const count = header.readUInt16LE(56);
    const table = readAt(file, Number(header.readBigUInt64LE(32)), count * SEGMENT_SIZE);
    const end = Math.max(0, ...Array.from({ length: table.length / SEGMENT_SIZE }, (_, at) => endOf(table, at)));
    if (header.readUInt16LE(54) !== SEGMENT_SIZE || table.length < count * SEGMENT_SIZE || end === 0) {
      return 'is cut off: it has no table of segments';
    }
    return end > size ? `is cut off: it has ${size} bytes, and its segments end at ${end}` : undefined;
  } finally {
    closeSync(file);
  }
}

/** Where a segment ends in the file; 0 if it is not loaded. */
function endOf(table: Buffer, index: number): number {
  const at = index * SEGMENT_SIZE;
  return table.readUInt32LE(at) === PT_LOAD
    ? Number(table.readBigUInt64LE(at + 8) + table.readBigUInt64LE(at + 32))
    : 0;
}

/** Up to `length` bytes; fewer where the file ends. */
function readAt(file: number, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, Number.isSafeInteger(position) ? readSync(file, bytes, 0, length, position) : 0);
}

function nameOf(machine: number): string {
  const [name] = Object.entries(MACHINES).find(([, one]) => one === machine) ?? [];
  return name ?? `another processor (machine ${machine} of ELF)`;
}
