import type { EventFdWatchHandle, FileHandle, ListenerHandle, SocketHandle } from './native-handles.js';

/** The part of the native interface that concerns sockets and eventfds. */
export interface NativeSockets {
  /** eventfd(2): closed on exec, does not block. */
  eventFdCreate(): FileHandle | number;
  /** A duplicate that does not block. -EINVAL if it is not an eventfd. */
  eventFdFrom(fd: number): FileHandle | number;
  /** Reads the counter whenever it is not 0, and calls the function with what it was, until `eventFdUnwatch`. */
  eventFdWatch(file: FileHandle, onCount: (count: bigint) => void): EventFdWatchHandle | number;
  eventFdUnwatch(watch: EventFdWatchHandle): number;

  /** Does not block: -EAGAIN if too many connections wait to be accepted. */
  socketConnect(path: string): FileHandle | number;
  /** Takes over a connection; the file is closed. `onEvent` is called as `binding/src/sockets/descriptor_socket.h` lists it. */
  socketAdopt(
    file: FileHandle,
    headerBytes: number,
    lengthAt: number,
    countsHeader: boolean,
    maxBytes: number,
    onEvent: SocketListener,
  ): SocketHandle | number;
  /** Whether messages are read. 1 if something has arrived before: `socketDeliver` delivers it. */
  socketRead(socket: SocketHandle, on: boolean): number;
  socketDeliver(socket: SocketHandle): number;
  /**
   * 0 if the kernel has taken all messages; 1 if some are queued; 2 if some are queued and `socketFlush` has to be called later. `cells` has,
   * for each message, its length in `bytes`, the number of its descriptors, and these. -EBADF and -EMFILE: nothing was sent, `cells[0]` is
   * the index of the message, and `cells[1]` the index of its descriptor.
   */
  socketSend(socket: SocketHandle, bytes: Uint8Array, cells: Int32Array): number;
  socketFlush(socket: SocketHandle): number;
  /** Number of bytes that are queued. */
  socketQueued(socket: SocketHandle): number;
  socketClose(socket: SocketHandle): number;

  /** `onConnection` gets an open file, or a negative errno; after that it accepts no more until it is told to. */
  listenerOpen(
    path: string,
    absolutePath: string,
    onConnection: (connection: FileHandle | number) => void,
  ): ListenerHandle | number;
  listenerAccept(listener: ListenerHandle, on: boolean): number;
  /** Removes the path, if the file there is the one that it has made. */
  listenerClose(listener: ListenerHandle): number;
}

/** What a socket calls. The second argument is an `ArrayBuffer` if `kind` is 0, otherwise a number. */
export type SocketListener = (kind: number, first: ArrayBuffer | number, second: Int32Array | number | boolean) => void;
