import { expect } from 'chai';
import fc from 'fast-check';
import { native } from '../../binding/native.js';
import type { Native } from '../../binding/native.js';
import { findPciDevice } from '../../binding/index.js';
import { anything } from '../binding/support/anything.js';
import { FIRST, SECOND } from './support/edu.js';

const rowsOf = <T>(number: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(number, { maxLength: 40 });

/** Random stores would leave the device in a state that other specs trip over. */
const LEFT_OUT = new Set(['vfioDeviceWrite']);

function handle<T extends object>(result: T | number): T {
  expect(result).to.be.an('object');
  return result as T;
}

describe('every native function, with handles of a real IOMMU', () => {
  it('answers anything with a value or a TypeError', async () => {
    const addon = native();
    const container = handle(addon.vfioContainerOpen());
    const group = handle(addon.vfioGroupOpen(findPciDevice(FIRST).iommuGroup ?? -1));
    expect(addon.vfioGroupSetContainer(group, container)).to.equal(0);
    expect(addon.vfioContainerSetIommu(container, 3)).to.equal(0);
    const byGroup = handle(addon.vfioGroupOpenDevice(group, FIRST));
    const iommufd = handle(addon.iommufdOpen());
    const device = handle(addon.vfioDeviceOpen(findPciDevice(SECOND).vfioNumber ?? -1));
    expect(addon.vfioDeviceBindIommufd(device, iommufd)).to.equal(0);
    const ioas = addon.iommufdAllocateIoas(iommufd);
    expect(addon.vfioDeviceAttach(device, ioas)).to.equal(0);
    const space = handle(addon.addressSpaceReserve(1n << 30n));
    addon.addressSpaceMap(space, 0, 64, -1, 0n, true, 'private', 0);
    const closed = handle(addon.vfioContainerOpen());
    addon.vfioContainerClose(closed);
    const handles = [container, group, byGroup, iommufd, device, space, closed];

    for (const name of Object.keys(addon) as (keyof Native)[]) {
      if (LEFT_OUT.has(name) || name.endsWith('Close')) {
        continue;
      }
      const firsts = handles.map((first) => fc.constant<unknown>(first));
      const pending: Promise<unknown>[] = [];
      const call = addon[name] as (...args: unknown[]) => unknown;
      fc.assert(
        fc.property(fc.oneof(...firsts), fc.array(anything(handles), { maxLength: 6 }), (first, rest) => {
          try {
            const result = Reflect.apply(call, undefined, [first, ...rest]);
            if (result instanceof Promise) {
              pending.push(result);
            }
          } catch (error) {
            expect(error, name).to.be.instanceOf(TypeError);
          }
        }),
        { numRuns: 200 },
      );
      await Promise.all(pending);
    }
    for (const [close, file] of [
      [addon.vfioDeviceClose, byGroup],
      [addon.vfioDeviceClose, device],
      [addon.vfioGroupClose, group],
      [addon.vfioContainerClose, container],
      [addon.iommufdClose, iommufd],
      [addon.addressSpaceClose, space],
    ] as const) {
      expect((close as (file: object) => number)(file)).to.equal(0);
    }
  }).timeout(120_000);

  it('what runs rows answers anything with a value or a TypeError', async () => {
    const addon = native();
    const container = handle(addon.vfioContainerOpen());
    const iommufd = handle(addon.iommufdOpen());
    const ioas = addon.iommufdAllocateIoas(iommufd);
    const runners = [addon.containerRunner(container), addon.ioasRunner(iommufd, ioas)];
    const rowRunners = [addon.containerRowRunner(container), addon.ioasRowRunner(iommufd, ioas)];
    const pending: Promise<unknown>[] = [];
    const rows = (): unknown[] => [new Float64Array(40), new Int32Array(10), 10, false];
    fc.assert(
      fc.property(fc.array(anything([container, iommufd]), { maxLength: 6 }), fc.nat({ max: 4 }), (args, right) => {
        for (const run of rowRunners) {
          try {
            expect(Reflect.apply(run, undefined, [...[0, 0, 4096, 0].slice(0, right), ...args])).to.be.a('number');
          } catch (error) {
            expect(error).to.be.instanceOf(TypeError);
            expect((error as Error).message).to.contain('runner');
          }
        }
        for (const run of runners) {
          try {
            pending.push(Promise.resolve(Reflect.apply(run, undefined, [...rows().slice(0, right), ...args])));
          } catch (error) {
            expect(error).to.be.instanceOf(TypeError);
            expect((error as Error).message).to.contain('runner');
          }
        }
      }),
      { numRuns: 300 },
    );
    await Promise.all(pending);
    addon.vfioContainerClose(container);
    addon.iommufdClose(iommufd);
    for (const run of runners) {
      const results = new Int32Array(1);
      expect(run(Float64Array.of(0, 0, 4096, 0), results, 1, true, false)).to.equal(1);
      expect(results[0], 'EBADF once it is closed').to.equal(-9);
    }
    for (const run of rowRunners) {
      expect(run(0, 0, 4096, 0), 'EBADF once it is closed').to.equal(-9);
    }
  }).timeout(60_000);

  it('refuses the number of an IOAS that only its low 32 bits would make a right one', () => {
    const addon = native();
    const iommufd = handle(addon.iommufdOpen());
    const ioas = addon.iommufdAllocateIoas(iommufd);
    for (const call of [addon.ioasRunner, addon.ioasRowRunner, addon.iommufdIovaRanges, addon.iommufdDestroy]) {
      expect(() => call(iommufd, ioas + 2 ** 32), call.name).to.throw(TypeError, 'argument 1');
    }
    expect(addon.iommufdDestroy(iommufd, ioas), 'is there still').to.equal(0);
    addon.iommufdClose(iommufd);
  });

  it('random rows, right in kind, are answered row by row', async () => {
    const addon = native();
    const iommufd = handle(addon.iommufdOpen());
    const device = handle(addon.vfioDeviceOpen(findPciDevice(FIRST).vfioNumber ?? -1));
    expect(addon.vfioDeviceBindIommufd(device, iommufd)).to.equal(0);
    const ioas = addon.iommufdAllocateIoas(iommufd);
    expect(addon.vfioDeviceAttach(device, ioas)).to.equal(0);
    const space = handle(addon.addressSpaceReserve(1n << 30n));
    addon.addressSpaceMap(space, 0, 64, -1, 0n, true, 'private', 0);
    const run = addon.ioasRunner(iommufd, ioas);
    const number = fc.oneof(
      fc.double(),
      fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }).map(Number),
      fc.nat({ max: 70 }).map((page) => page * 4096),
      fc.nat({ max: 16 }),
      fc.constantFrom(1 + 16 * addon.addressSpaceId(space), 9 + 16 * addon.addressSpaceId(space)),
      // Copies: of this IOAS, and of none.
      fc.constantFrom(4 + 16 * ioas, 12 + 16 * ioas, 12 + 16 * (ioas + 1)),
    );
    await fc.assert(
      fc.asyncProperty(
        rowsOf(number),
        fc.nat({ max: 12 }),
        fc.boolean(),
        fc.boolean(),
        async (values, count, later, stop) => {
          const rows = Float64Array.from(values);
          const whole = Math.floor(values.length / 4);
          const results = new Int32Array(whole).fill(1);
          const done = await (later ? run(rows, results, count, stop, true) : run(rows, results, count, stop, false));
          expect(done).to.be.at.most(Math.min(whole, count));
          expect(results.subarray(0, done).every((result) => result <= 0)).to.equal(true);
          expect(results.subarray(done).every((result) => result === 1)).to.equal(true);
        },
      ),
      { numRuns: 200 },
    );
    addon.vfioDeviceClose(device);
    addon.iommufdClose(iommufd);
    addon.addressSpaceClose(space);
  }).timeout(60_000);
});
