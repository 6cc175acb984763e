import type { GuestMemory } from 'dma-streams/binding';

/**
 * The program of the guest, in real mode, as its assembler would write it. It waits until there is a letter in the mailbox, says the text to which the
 * mailbox points, byte by byte up to a 0. Then it waits again, or halts.
 */
export const GUEST_CODE = Buffer.from([
  // wait:
  ...[0x80, 0x3e, 0x00, 0x05, 0x00], //  cmp byte [0x500], 0
  ...[0x74, 0xf9], //                    je wait
  ...[0x8e, 0x06, 0x02, 0x05], //        mov es, [0x502]
  ...[0x8a, 0x1e, 0x01, 0x05], //        mov bl, [0x501]
  ...[0xc6, 0x06, 0x00, 0x05, 0x00], //  mov byte [0x500], 0
  ...[0x31, 0xf6], //                    xor si, si
  ...[0xba, 0x10, 0x00], //              mov dx, 0x10
  // next:
  ...[0x26, 0x8a, 0x04], //              mov al, es:[si]
  ...[0x46], //                          inc si
  ...[0xee], //                          out dx, al
  ...[0x84, 0xc0], //                    test al, al
  ...[0x75, 0xf7], //                    jnz next
  ...[0x84, 0xdb], //                    test bl, bl
  ...[0x74, 0xda], //                    je wait
  ...[0xf4], //                          hlt
]);

/** The port to which it says texts. */
export const SAY_PORT = 0x10;

/**
 * In RAM, 4 bytes: 1 when there is a letter; 1 when the guest is to halt after it; the segment at whose beginning the text is. The guest
 * empties the mailbox, by a 0 in the first byte, when it has read it.
 */
const MAILBOX = 0x500n;

/** Tells the guest to say the text at this address, a multiple of 16 below 1 MiB. */
export function sendLetter(memory: GuestMemory, address: bigint, isLast: boolean): void {
  const letter = Buffer.from([1, isLast ? 1 : 0, 0, 0]);
  letter.writeUInt16LE(Number(address / 16n), 2);
  // The first byte last: the guest looks at it all the time.
  memory.write(MAILBOX + 1n, letter.subarray(1));
  memory.write(MAILBOX, letter.subarray(0, 1));
}
