import type { Pages } from '../../wire/messages.js';

const UNITS = new Map([
  ['', 1n],
  ['K', 1n << 10n],
  ['M', 1n << 20n],
  ['G', 1n << 30n],
  ['T', 1n << 40n],
  ['P', 1n << 50n],
  ['E', 1n << 60n],
]);
/** A start, and an end or a length. */
const PARTS = /^\s*([^-+]*?)\s*(?:(-|\.\.|\+)\s*(.*?))?\s*$/;
const PAGE_SHIFT = 12n;
const END = 1n << 64n;

/**
 * The pages of an address or a range as people write it: `0xfec00000`, `4276092928`, `4G`, `1.5 GiB`, `0xa0000-0xc0000`, `1M..2M` (the end not
 * included), `4G+256M` (a length), `fec00000h`. Hexadecimal digits without `0x` count if they are at least four, letters and others: `fec00000`.
 * `undefined` if it is none, or outside 2^64.
 */
export function parseAddresses(text: string): Pages | undefined {
  const [, first = '', operator, second = ''] = PARTS.exec(text) ?? [];
  const start = parseBytes(first);
  if (start === undefined || start >= END) {
    return undefined;
  }
  if (operator === undefined) {
    return pages(start, start + 1n);
  }
  const other = parseBytes(second);
  const end = other === undefined ? undefined : operator === '+' ? start + other : other;
  return end === undefined || end <= start || end > END ? undefined : pages(start, end);
}

/** Why a text that begins like an address is none; `undefined` if it is one, or does not look like one. */
export function addressFault(text: string): string | undefined {
  const [, first = '', operator, second = ''] = PARTS.exec(text) ?? [];
  const start = parseBytes(first);
  if (start === undefined) {
    return undefined;
  }
  if (start >= END) {
    return 'beyond 2^64';
  }
  const other = parseBytes(second);
  if (operator === undefined || (other === undefined && second !== '')) {
    return undefined;
  }
  if (other === undefined) {
    return operator === '+' ? 'a length is missing' : 'an end is missing';
  }
  const end = operator === '+' ? start + other : other;
  return end <= start
    ? operator === '+'
      ? 'the length is 0'
      : 'the end is not after the start'
    : end > END
      ? 'beyond 2^64'
      : undefined;
}

function parseBytes(text: string): bigint | undefined {
  const digits = text.replace(/[_,'\s]/g, '');
  if (/^0x[0-9a-f]+$/i.test(digits)) {
    return BigInt(digits);
  }
  if (/^[0-9a-f]+h$/i.test(digits)) {
    return BigInt(`0x${digits.slice(0, -1)}`);
  }
  const [, whole, part = '', unit = ''] = /^(\d+)(?:\.(\d{1,9}))?([KMGTPE]?)(?:i?B)?$/i.exec(digits) ?? [];
  if (whole !== undefined) {
    const factor = UNITS.get(unit.toUpperCase()) ?? 1n;
    const scale = 10n ** BigInt(part.length);
    return (BigInt(whole + part) * factor) / scale;
  }
  return /^(?=.*[a-f])[0-9a-f]{4,16}$/i.test(digits) && /\d/.test(digits) ? BigInt(`0x${digits}`) : undefined;
}

/** The pages that a range of bytes touches. */
function pages(start: bigint, end: bigint): Pages {
  return [Number(start >> PAGE_SHIFT), Number((end + (1n << PAGE_SHIFT) - 1n) >> PAGE_SHIFT)];
}
