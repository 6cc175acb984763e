import type { Pages } from '../../wire/messages.js';

const PAGE = 4096n;

/** The address of a page, in hexadecimal digits: 256 is `0x100000`. A part of a page is left out. */
export function address(page: number): string {
  return `0x${(BigInt(Math.floor(page)) * PAGE).toString(16)}`;
}

/** First address and the one after the last, as the library prints ranges: `0x0-0xa0000`. */
export function range([start, end]: Pages): string {
  return `${address(start)}-${address(end)}`;
}

const UNITS = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

/** A size in the largest unit that it is at least one of: 163 is `652 KiB`, 300 is `1.17 MiB`. Three digits, if it is not a whole number. */
export function size(pages: number): string {
  let value = pages * 4;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = Number.isInteger(value) ? 0 : value < 10 ? 2 : value < 100 ? 1 : 0;
  return `${value.toFixed(digits)} ${UNITS[unit] ?? ''}`;
}

/** A size without rounding: `4 GiB`, `1.125 MiB`, `1088 KiB`. Empty where that takes more digits. */
export function exactSize(pages: number): string {
  for (let unit = UNITS.length - 1; unit >= 0; unit--) {
    const value = (pages * 4) / 1024 ** unit;
    if ((value >= 1 && value < 10_000 && Number.isInteger(value * (value < 100 ? 8 : 1))) || value === 0) {
      return value === 0 ? '0' : `${value.toString()} ${UNITS[unit] ?? ''}`;
    }
  }
  return '';
}

export function count(number: number): string {
  return number.toLocaleString('en-US');
}

/** `1 mapping`, `1,204 mappings`. */
export function counted(number: number, noun: string): string {
  return `${count(number)} ${noun}${number === 1 ? '' : 's'}`;
}

/** A duration for people: `0.4 s`, `7 s`, `3 min 5 s`, `2 h 10 min`. */
export function duration(milliseconds: number): string {
  const seconds = Math.max(0, milliseconds) / 1000;
  if (seconds < 1) {
    return `${seconds.toFixed(1)} s`;
  }
  if (seconds < 60) {
    return `${Math.floor(seconds).toString()} s`;
  }
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes.toString()} min ${Math.floor(seconds % 60).toString()} s`
    : `${Math.floor(minutes / 60).toString()} h ${(minutes % 60).toString()} min`;
}

/** How long a call took: `0.04 ms`, `12 ms`, `1.2 s`. */
export function elapsed(milliseconds: number): string {
  return milliseconds < 1000
    ? `${milliseconds < 10 ? milliseconds.toFixed(2) : milliseconds.toFixed(0)} ms`
    : `${(milliseconds / 1000).toFixed(1)} s`;
}

/** Time of day, here: `12:03:04.127`. */
export function time(at: number): string {
  const date = new Date(at);
  const two = (number: number): string => number.toString().padStart(2, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${date.getMilliseconds().toString().padStart(3, '0')}`;
}
