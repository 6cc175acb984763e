import * as zlib from 'node:zlib';

/**
 * Which views are the input of a stream of `node:zlib`.
 *
 * Such a stream reads its input in steps, and ends the process when the input has become shorter between two of them (`CompressionStream::Write`
 * of node_zlib.cc asserts it). Between two steps it pauses while nobody reads its output, without any request of libuv. Node has no function
 * that tells; so the native objects of streams are observed when they begin a step and when they are closed.
 */

/** The native object of a stream. */
interface Handle {
  write: (this: Handle, flush: number, input: unknown, ...rest: unknown[]) => unknown;
  close: (this: Handle) => unknown;
  /** The input, until its last step is done. */
  readonly buffer?: unknown;
}

/** The buffers of all views of this thread. */
const views = new WeakSet<ArrayBufferLike>();
/** Streams that were given a view, and may have it still. */
const readers = new Set<WeakRef<Handle>>();
const references = new WeakMap<Handle, WeakRef<Handle>>();
let observed = false;

/** Has the streams observed that are given this buffer from now on. */
export function observeInput(buffer: ArrayBufferLike): void {
  if (!observed) {
    observed = true;
    observeStreams();
  }
  views.add(buffer);
}

/** Whether a stream is anywhere between the first and the last step of reading a view. */
export function isViewInput(): boolean {
  for (const reader of readers) {
    const handle = reader.deref();
    if (handle !== undefined && isView(handle.buffer)) {
      return true;
    }
    forget(reader, handle);
  }
  return false;
}

function isView(input: unknown): boolean {
  return ArrayBuffer.isView(input) && views.has(input.buffer);
}

function remember(handle: Handle): void {
  if (!references.has(handle)) {
    const reference = new WeakRef(handle);
    references.set(handle, reference);
    readers.add(reference);
  }
}

function forget(reader: WeakRef<Handle> | undefined, handle: Handle | undefined): void {
  if (reader !== undefined) {
    readers.delete(reader);
  }
  if (handle !== undefined) {
    references.delete(handle);
  }
}

function observeStreams(): void {
  const makers = zlib as unknown as Record<string, (() => zlib.Gzip) | undefined>;
  // One stream of each kind; some versions of Node have no zstd.
  for (const name of ['Gzip', 'BrotliCompress', 'BrotliDecompress', 'ZstdCompress', 'ZstdDecompress']) {
    const stream = makers[`create${name}`]?.();
    const handle = (stream as { readonly _handle?: Handle } | undefined)?._handle;
    if (handle !== undefined) {
      observe(Object.getPrototypeOf(handle) as Handle);
    }
    stream?.close();
  }
}

function observe(prototype: Handle): void {
  const { write, close } = prototype;
  prototype.write = function (flush, input, ...rest) {
    if (isView(input)) {
      remember(this);
    }
    return write.call(this, flush, input, ...rest);
  };
  // One that is closed begins no further step.
  prototype.close = function () {
    forget(references.get(this), this);
    return close.call(this);
  };
}
