/** Short names for the base classes of the PCI Code and ID Assignment Specification. */
const KINDS: Readonly<Record<number, string>> = {
  0x01: 'storage',
  0x02: 'network',
  0x03: 'display',
  0x04: 'multimedia',
  0x05: 'memory',
  0x06: 'bridge',
  0x07: 'communication',
  0x08: 'system',
  0x09: 'input',
  0x0b: 'processor',
  0x0c: 'serial bus',
  0x0d: 'wireless',
  0x0e: 'intelligent I/O',
  0x0f: 'satellite',
  0x10: 'encryption',
  0x11: 'signal',
  0x12: 'accelerator',
};

/** The kind of a device, from its `class` file: `'0x020000'` is a network card. */
export function pciKind(classCode: string | undefined): string {
  const code = Number(classCode ?? NaN);
  return KINDS[code >> 16] ?? 'unclassified';
}
