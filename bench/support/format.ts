import type { Figure, Unit } from './question.js';

/** Three figures that count, and no more than that. */
export function formatNumber(value: number): string {
  const size = Math.abs(value);
  if (size > 0 && size < 0.1) {
    return value.toPrecision(2);
  }
  return size >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(size >= 10 ? 1 : 2);
}

export function formatValue(value: number, unit: Unit): string {
  return `${formatNumber(value)} ${unit}`;
}

/** The distance between the quartiles as a part of the median. */
export function formatSpread(spread: number): string {
  return `${(spread * 100).toFixed(0)} %`;
}

export function verdictOf({ median, atMost }: Figure): string {
  if (atMost === undefined) {
    return '';
  }
  return median <= atMost ? 'met' : `NOT MET: ${formatNumber(median / atMost)} times`;
}

/** `1 target`, `4 targets`. */
export function counted(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`;
}
