import { expect } from 'chai';
import fc from 'fast-check';
import { anything } from './support/anything.js';
import { native } from '../../binding/native.js';
import type { FileHandle, Native, SpaceHandle } from '../../binding/native.js';

function handle<T extends object>(result: T | number): T {
  expect(result).to.be.an('object');
  return result as T;
}

describe('every native function', () => {
  const addon = (): Native => native();
  const names = Object.keys(native()) as (keyof Native)[];

  function someHandles(): readonly object[] {
    const file = handle<FileHandle>(addon().memfdCreate('fuzz', 2));
    addon().fileTruncate(file, 0x10000n);
    const closedFile = handle<FileHandle>(addon().memfdCreate('closed', 2));
    addon().fileClose(closedFile);
    const space = handle<SpaceHandle>(addon().addressSpaceReserve(1n << 30n));
    addon().addressSpaceMap(space, 0, 16, addon().fileFd(file), 0n, true, 'file');
    addon().addressSpaceMap(space, 32, 48, -1, 0n, true, 'private');
    const closedSpace = handle<SpaceHandle>(addon().addressSpaceReserve(1n << 30n));
    addon().addressSpaceClose(closedSpace);
    return [file, closedFile, space, closedSpace];
  }

  it('answers anything with a value or a TypeError', () => {
    for (const name of names) {
      const handles = someHandles();
      const call = addon()[name] as (...args: unknown[]) => unknown;
      fc.assert(
        fc.property(fc.array(anything(handles), { maxLength: 8 }), (args) => {
          try {
            Reflect.apply(call, undefined, args);
          } catch (error) {
            expect(error, name).to.be.instanceOf(TypeError);
            expect((error as Error).message).to.contain(name);
          }
        }),
        { numRuns: 300 },
      );
    }
  }).timeout(60_000);

  it('answers anything after a first argument of the right kind', () => {
    for (const name of names) {
      const handles = someHandles();
      const [file, , space] = handles;
      const first = name.startsWith('file') ? file : space;
      const call = addon()[name] as (...args: unknown[]) => unknown;
      fc.assert(
        fc.property(fc.array(anything(handles), { maxLength: 7 }), (args) => {
          try {
            Reflect.apply(call, undefined, [first, ...args]);
          } catch (error) {
            expect(error, name).to.be.instanceOf(TypeError);
          }
        }),
        { numRuns: 300 },
      );
    }
  }).timeout(60_000);

  it('does not care what `this` is', () => {
    for (const thisValue of [null, 7, {}, addon()]) {
      expect(Reflect.apply(addon().addressSpaceReserve as () => unknown, thisValue, [4096n])).to.be.an('object');
    }
  });

  it('refuses a handle of another kind, and names the argument', () => {
    const [file, closedFile, space, closedSpace] = someHandles() as [FileHandle, FileHandle, SpaceHandle, SpaceHandle];
    expect(() => addon().fileFd(space as never)).to.throw(TypeError, 'fileFd: argument 0 is not an open file');
    expect(() => addon().addressSpaceBase(file as never)).to.throw(TypeError, 'addressSpaceBase: argument 0');
    expect(() => addon().fileFd(Object.create(file) as never)).to.throw(TypeError);
    expect(addon().fileFd(closedFile)).to.equal(-9);
    expect(addon().addressSpaceBase(closedSpace)).to.equal(-9);
    expect(addon().addressSpaceRead(closedSpace, 0n, new Uint8Array(1))).to.equal(-9);
  });
});

describe('a method called on something else', () => {
  it('is a TypeError', async () => {
    const { AddressSpace, Memfd } = await import('../../binding/index.js');
    using memfd = Memfd.create('m', 4096n);
    using space = new AddressSpace({ size: 4096n });
    for (const Class of [Memfd, AddressSpace]) {
      const descriptors = Object.getOwnPropertyDescriptors(Class.prototype) as Record<string, PropertyDescriptor>;
      for (const [name, descriptor] of Object.entries(descriptors)) {
        const method = (descriptor.get ?? descriptor.value) as (...args: unknown[]) => unknown;
        for (const wrong of [undefined, null, {}, 5, Class.prototype, Class === Memfd ? space : memfd]) {
          if (name !== 'constructor') {
            expect(() => Reflect.apply(method, wrong, []), `${Class.name}.${name}`).to.throw(TypeError);
          }
        }
      }
    }
  });
});
