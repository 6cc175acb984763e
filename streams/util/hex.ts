/** An address, offset or size in hexadecimal digits: `'0x1000'`. */
export function hex(address: bigint): string {
  return address < 0n ? `-0x${(-address).toString(16)}` : `0x${address.toString(16)}`;
}
