import { rmSync } from 'node:fs';
import { expect } from 'chai';
import fc from 'fast-check';
import { anything } from './support/anything.js';
import { kvmHandles, type KvmHandles } from './support/kvm-handles.js';
import { SIGNATURES, type Kind } from './support/native-signatures.js';
import { socketHandles, type SocketHandles } from './support/socket-handles.js';
import { isLimitRaised } from '../../binding/memory/memory-areas.js';
import { native } from '../../binding/native.js';
import type { FileHandle, Native, SpaceHandle } from '../../binding/native.js';
import { temporaryFolder } from '../../lab/temporary-folder.js';

function handle<T extends object>(result: T | number): T {
  expect(result).to.be.an('object');
  return result as T;
}

/** What is of the right kind, though it may be far too large, negative, no whole number, detached or closed. */
function ofKind(kind: Kind, { file, space, closedFile, closedSpace, kvm, sockets }: Handles): fc.Arbitrary<unknown> {
  const numbers = fc.oneof(
    fc.integer({ min: -2, max: 64 }),
    fc.double(),
    fc.constantFrom(2 ** 31, 2 ** 32, 2 ** 52, 2 ** 53, -0),
  );
  switch (kind) {
    case 'text':
      return fc.string({ maxLength: 300 });
    case 'number':
    case 'page':
      return numbers;
    case 'bigint':
      return fc.oneof(
        fc.bigInt({ min: -1n, max: 1n << 65n }),
        fc.bigInt({ min: 0n, max: 64n }).map((page) => page << 12n),
        fc.constantFrom((1n << 64n) - 4096n, (1n << 63n) - 4096n, (1n << 63n) - 1n),
      );
    case 'boolean':
      return fc.boolean();
    case 'bytes':
      return fc.oneof(fc.uint8Array({ maxLength: 8192 }), fc.constant(detached(new Uint8Array(8))));
    case 'rows':
      return fc.oneof(
        fc
          .array(fc.oneof(fc.integer({ min: -1, max: 64 }), numbers), { maxLength: 64 })
          .map((row) => Float64Array.from(row)),
        fc.constant(detached(new Float64Array(8))),
      );
    case 'results':
      return fc.oneof(
        fc.nat({ max: 16 }).map((length) => new Int32Array(length)),
        fc.constant(detached(new Int32Array(8))),
      );
    case 'file':
      return fc.constantFrom(file, file, closedFile);
    case 'space':
      return fc.constantFrom(space, space, closedSpace);
    case 'registers':
      return fc.oneof(
        fc.nat({ max: 64 }).map((length) => new BigUint64Array(length).fill(~0n)),
        fc.nat({ max: 64 }).map((length) => new BigUint64Array(length)),
        fc.constant(detached(new BigUint64Array(64))),
      );
    case 'kvm':
      return fc.constantFrom<object>(kvm?.kvm ?? file, kvm?.vm ?? file);
    case 'vm':
      return fc.constantFrom<object>(kvm?.vm ?? file, kvm?.closedVm ?? file);
    case 'slots':
      return fc.constant(kvm?.slots ?? file);
    case 'vcpu':
      return fc.constantFrom<object>(kvm?.vcpu ?? file, kvm?.vcpu ?? file, kvm?.closedVcpu ?? file);
    case 'function':
      return fc.constant(() => undefined);
    case 'socket':
      return fc.constantFrom<object>(sockets.socket, sockets.socket, sockets.closedSocket);
    case 'listener':
      return fc.constantFrom<object>(sockets.listener, sockets.listener, sockets.closedListener);
    case 'watch':
      return fc.constant<object>(sockets.watch);
    default:
      // Without an IOMMU there is none: one of another kind, to be refused.
      return fc.constantFrom(file, space, closedFile, closedSpace);
  }
}

interface Handles {
  readonly file: object;
  readonly space: object;
  readonly closedFile: object;
  readonly closedSpace: object;
  readonly kvm: KvmHandles | undefined;
  readonly sockets: SocketHandles;
}

function detached<T extends Uint8Array | Float64Array | Int32Array | BigUint64Array>(array: T): T {
  structuredClone(array, { transfer: [array.buffer as ArrayBuffer] });
  return array;
}

/** What a function of KVM takes first. */
function kvmFirst({ kvm, vm, slots, vcpu }: KvmHandles, name: keyof Native): object {
  const kind = SIGNATURES[name][0];
  return kind === 'vm' ? vm : kind === 'slots' ? slots : kind === 'vcpu' ? vcpu : kvm;
}

/** What a function of another kind takes first. */
function firstOf(
  name: keyof Native,
  file: object | undefined,
  space: object | undefined,
  { socket, listener, watch }: SocketHandles,
): unknown {
  switch (SIGNATURES[name][0]) {
    case 'file':
      return file;
    case 'socket':
      return socket;
    case 'listener':
      return listener;
    case 'watch':
      return watch;
    default:
      return space;
  }
}

describe('every native function', () => {
  const addon = (): Native => native();
  const names = Object.keys(native()) as (keyof Native)[];

  let sockets: SocketHandles;
  // Random names of sockets are made here.
  let folder: string;
  const workingFolder = process.cwd();
  beforeEach(() => {
    folder = temporaryFolder('dma-streams-');
    process.chdir(folder);
    sockets = socketHandles();
  });
  afterEach(() => {
    // One function limits the memory areas of the whole process.
    isLimitRaised();
    sockets[Symbol.dispose]();
    process.chdir(workingFolder);
    rmSync(folder, { recursive: true });
  });

  function someHandles(): readonly object[] {
    const file = handle<FileHandle>(addon().memfdCreate('fuzz', 2));
    addon().fileTruncate(file, 0x10000n);
    const closedFile = handle<FileHandle>(addon().memfdCreate('closed', 2));
    addon().fileClose(closedFile);
    const space = handle<SpaceHandle>(addon().addressSpaceReserve(1n << 30n));
    addon().addressSpaceMap(space, 0, 16, addon().fileFd(file), 0n, true, 'file', 1);
    addon().addressSpaceMap(space, 32, 48, -1, 0n, true, 'private', 0);
    const closedSpace = handle<SpaceHandle>(addon().addressSpaceReserve(1n << 30n));
    addon().addressSpaceClose(closedSpace);
    const { socket, closedSocket, listener, closedListener, watch } = sockets;
    return [
      ...[file, closedFile, space, closedSpace, ...Object.values<object>({ ...kvmHandles() })],
      ...[socket, closedSocket, listener, closedListener, watch],
    ];
  }

  it('is known here, with all that it takes: whoever adds one says what', () => {
    expect(Object.keys(addon()).sort()).to.deep.equal(Object.keys(SIGNATURES).sort());
    for (const name of names) {
      expect(addon()[name], name).to.be.a('function');
      expect(addon()[name].name).to.equal(name);
    }
  });

  it('answers what is right in kind, or all but one of it, with a value or a TypeError', async () => {
    const pending: Promise<unknown>[] = [];
    for (const [name, kinds] of Object.entries(SIGNATURES)) {
      const handles = someHandles();
      const [file = {}, closedFile = {}, space = {}, closedSpace = {}] = handles;
      const call = addon()[name as keyof Native] as (...args: unknown[]) => unknown;
      const kvm = name.startsWith('kvm') ? kvmHandles() : undefined;
      const right = fc.tuple(
        ...kinds.map((kind) => ofKind(kind, { file, space, closedFile, closedSpace, kvm, sockets })),
      );
      const wrong = fc.option(fc.tuple(fc.nat({ max: Math.max(0, kinds.length - 1) }), anything(handles)), {
        nil: undefined,
      });
      fc.assert(
        fc.property(right, wrong, (args, change) => {
          const given = change === undefined ? args : args.map((arg, index) => (index === change[0] ? change[1] : arg));
          try {
            const result = Reflect.apply(call, undefined, given);
            if (result instanceof Promise) {
              pending.push(result);
            }
          } catch (error) {
            expect(error, name).to.be.instanceOf(TypeError);
            expect((error as Error).message).to.contain(name);
          }
        }),
        { numRuns: kinds.length === 0 ? 1 : 300 },
      );
    }
    await Promise.all(pending);
  }).timeout(60_000);

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
      const kvm = name.startsWith('kvm') ? kvmHandles() : undefined;
      const first = kvm === undefined ? firstOf(name, file, space, sockets) : kvmFirst(kvm, name);
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
    expect(() => addon().addressSpaceId(file as never)).to.throw(TypeError, 'addressSpaceId: argument 0');
    expect(() => addon().fileFd(Object.create(file) as never)).to.throw(TypeError);
    expect(addon().fileFd(closedFile)).to.equal(-9);
    expect(addon().addressSpaceRelease(closedSpace, 0, 1)).to.equal(-9);
    expect(addon().addressSpaceRead(closedSpace, 0n, new Uint8Array(1))).to.equal(-9);
  });
});

describe('the number of an IOAS', () => {
  const takers = ['ioasRunner', 'ioasRowRunner', 'iommufdDestroy', 'iommufdIovaRanges', 'vfioDeviceAttach'] as const;

  for (const name of takers) {
    it(`is refused by ${name} when it does not fit in 32 bits`, () => {
      // Checked before the handle, of which there is none without an IOMMU.
      const call = native()[name] as (handle: unknown, ioas: unknown) => unknown;
      for (const ioas of [2 ** 32, 2 ** 32 + 1, 2 ** 53, -1, 0.5, NaN, Infinity, 1n, '1']) {
        expect(() => call({}, ioas), String(ioas)).to.throw(
          TypeError,
          `${name}: argument 1 is not an integer in [0, 2^32)`,
        );
      }
      expect(() => call({}, 2 ** 32 - 1)).to.throw(TypeError, `${name}: argument 0`);
    });
  }
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
          // What prints an object never fails.
          if (name !== 'constructor' && name !== 'toJSON') {
            expect(() => Reflect.apply(method, wrong, []), `${Class.name}.${name}`).to.throw(TypeError);
          }
        }
      }
    }
  });
});
