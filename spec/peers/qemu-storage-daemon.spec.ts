/**
 * `qemu-storage-daemon` of this system (Debian 12: 7.2, package `qemu-system-common`), which serves an image as a vhost-user-blk device:
 *
 *     qemu-storage-daemon --blockdev driver=file,node-name=disk,filename=IMAGE \
 *       --export type=vhost-user-blk,id=export,node-name=disk,writable=on,addr.type=unix,addr.path=SOCKET
 */
import { testDisk } from './support/disk-suite.js';
import { describePeer, installedProgram } from './support/program.js';

describePeer('qemu-storage-daemon', () => installedProgram('qemu-storage-daemon'), testDisk);
