import fc from 'fast-check';

/** Values of every kind that JavaScript has, and handles of every kind, open and closed. */
export function anything(handles: readonly object[]): fc.Arbitrary<unknown> {
  const detached = new Uint8Array(8);
  structuredClone(detached, { transfer: [detached.buffer] });
  return fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom<unknown>(...handles) },
    fc.anything({
      withBigInt: true,
      withTypedArray: true,
      withSparseArray: true,
      withDate: true,
      withNullPrototype: true,
    }),
    fc.constantFrom<unknown>(
      0,
      1,
      -1,
      2 ** 31,
      2 ** 52,
      2 ** 53,
      -(2 ** 31),
      NaN,
      Infinity,
      0.5,
      0n,
      1n,
      4096n,
      -1n,
      (1n << 62n) + 4096n,
      (1n << 63n) - 4096n,
      (1n << 64n) - 1n,
      1n << 64n,
    ),
    fc.constantFrom<unknown>(
      '',
      'name',
      true,
      false,
      detached,
      new Uint8Array(new SharedArrayBuffer(16)),
      new BigUint64Array(4),
      new Int32Array(4),
      new DataView(new ArrayBuffer(8)),
      Buffer.from('bytes'),
      new Proxy({}, {}),
      () => 1,
      Symbol('s'),
    ),
    fc.integer({ min: 0, max: 64 }),
  );
}
