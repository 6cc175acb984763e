import { expect } from 'chai';

/** A method that takes an address, an offset or a size. */
export interface ByteArgument {
  /** Its name in messages. */
  readonly what: string;
  /** A value that is accepted. */
  readonly good: number;
  /** Calls it. Resolves, or returns, what can be compared. */
  readonly call: (value: never) => unknown;
  /** Whether there is a default: then `undefined` is none of the values that are refused. */
  readonly isOptional?: true;
  /** Whether negative values are accepted. */
  readonly isSigned?: true;
  /** Whether values above 2^64 are accepted. */
  readonly isUnlimited?: true;
}

const NO_NUMBERS: readonly (readonly [value: unknown, text: string])[] = [
  ['0x1000', "'0x1000'"],
  [undefined, 'undefined'],
  [null, 'null'],
  [true, 'true'],
  [{}, 'an object'],
  [[0x1000], 'an array'],
  [() => 0x1000, 'a function'],
];

const NO_INTEGERS: readonly number[] = [1.5, Number.NaN, Number.POSITIVE_INFINITY];

async function errorOf(call: () => unknown): Promise<unknown> {
  try {
    await call();
    return undefined;
  } catch (error) {
    return error;
  }
}

/** The same for all of them: numbers and bigints are accepted, everything else is refused, by the same class of error, in the same words. */
export function describeByteArguments(args: Readonly<Record<string, ByteArgument>>): void {
  for (const [name, { what, good, call, isOptional, isSigned, isUnlimited }] of Object.entries(args)) {
    const give = (value: unknown): unknown => call(value as never);

    it(`${name}: takes ${what} as a number and as a bigint`, async () => {
      expect(await give(good)).to.deep.equal(await give(BigInt(good)));
    });

    it(`${name}: refuses ${what} that is no number, with a TypeError`, async () => {
      for (const [value, text] of NO_NUMBERS) {
        if (value !== undefined || isOptional !== true) {
          const error = await errorOf(() => give(value));
          expect(error, text).to.be.instanceOf(TypeError);
          expect((error as Error).message).to.include(`${what} must be a bigint or a number of bytes, not ${text}`);
        }
      }
    });

    it(`${name}: refuses ${what} that is no integer, is not exact, is negative or too large, with a RangeError`, async () => {
      for (const value of NO_INTEGERS) {
        const error = await errorOf(() => give(value));
        expect(error, String(value)).to.be.instanceOf(RangeError);
        expect((error as Error).message).to.include(`${what} must be a whole number of bytes, not ${value}`);
      }
      const inexact = await errorOf(() => give(2 ** 53));
      expect(inexact).to.be.instanceOf(RangeError);
      expect((inexact as Error).message).to.include(`${what} ${2 ** 53} is not exact as a number: give a bigint`);
      for (const value of [
        ...(isSigned === true ? [] : [-4096, -4096n]),
        ...(isUnlimited === true ? [] : [1n << 65n]),
      ]) {
        expect(await errorOf(() => give(value)), String(value)).to.be.instanceOf(RangeError);
      }
    });
  }
}
