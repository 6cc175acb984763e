import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { native } from '../../../binding/native.js';
import type { EventFdWatchHandle, FileHandle, ListenerHandle, SocketHandle } from '../../../binding/native.js';
import { temporaryFolder } from '../../../lab/temporary-folder.js';

/** Handles of the native functions of sockets and eventfds. */
export interface SocketHandles extends Disposable {
  readonly socket: SocketHandle;
  readonly closedSocket: SocketHandle;
  readonly listener: ListenerHandle;
  readonly closedListener: ListenerHandle;
  readonly watch: EventFdWatchHandle;
  readonly eventFd: FileHandle;
}

/** Disposing of it closes them: what they watch would keep the process alive. */
export function socketHandles(): SocketHandles {
  const addon = native();
  const folder = temporaryFolder('dma-streams-');
  const open = (name: string): ListenerHandle =>
    addon.listenerOpen(join(folder, name), join(folder, name), () => undefined) as ListenerHandle;
  const listener = open('socket');
  const closedListener = open('closed');
  const connect = (): SocketHandle => {
    const file = addon.socketConnect(join(folder, 'socket')) as FileHandle;
    return addon.socketAdopt(file, 4, 0, false, 4096, () => undefined) as SocketHandle;
  };
  const socket = connect();
  const closedSocket = connect();
  addon.socketClose(closedSocket);
  addon.listenerClose(closedListener);
  const eventFd = addon.eventFdCreate() as FileHandle;
  const watch = addon.eventFdWatch(eventFd, () => undefined) as EventFdWatchHandle;
  return {
    ...{ socket, closedSocket, listener, closedListener, watch, eventFd },
    [Symbol.dispose]() {
      addon.socketClose(socket);
      addon.listenerClose(listener);
      addon.eventFdUnwatch(watch);
      addon.fileClose(eventFd);
      rmSync(folder, { recursive: true });
    },
  };
}
