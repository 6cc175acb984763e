import * as zlib from 'node:zlib';

/**
 * Detects which views are the input of a `node:zlib` stream.
 *
 * Such a stream reads its input in steps. It aborts the process if the input has become shorter between two steps (an assertion in
 * `CompressionStream::Write` of node_zlib.cc). Between two steps it pauses until its output is read, without a pending libuv request.
 * Node.js has no function that reports this. So the native objects of streams are observed when they begin a step and when they are closed.
 */

/** Native object of a stream. */
interface Handle {
  write: (this: Handle, flush: number, input: unknown, ...rest: unknown[]) => unknown;
  close: (this: Handle) => unknown;
  /** The input, until its last step is done. */
  readonly buffer?: unknown;
}

/** The buffers of all views of this thread. */
const views = new WeakSet<ArrayBufferLike>();
/** Streams that have received a view and may still use it. */
const readers = new Set<WeakRef<Handle>>();
const references = new WeakMap<Handle, WeakRef<Handle>>();
let observed = false;

/** Observes all streams that receive this buffer from now on. */
export function observeInput(buffer: ArrayBufferLike): void {
  if (!observed) {
    observed = true;
    observeStreams();
  }
  views.add(buffer);
}

/** Whether a stream has started to read a view, and has not finished. */
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
  // A closed stream begins no further step.
  prototype.close = function () {
    forget(references.get(this), this);
    return close.call(this);
  };
}
