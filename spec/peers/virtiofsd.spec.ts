/**
 * `virtiofsd` of this system, the one in C that comes with QEMU 7.2 (Debian 12: package `qemu-system-common`). It serves a folder:
 *
 *     /usr/lib/qemu/virtiofsd --socket-path=SOCKET -o source=FOLDER -o sandbox=chroot -f
 *
 * It changes its root folder, so only root can run it. It serves one connection, and ends after it.
 */
import { testFiles } from './support/files-suite.js';
import { describePeer, installedProgram, type Program } from './support/program.js';

const find = (): Program | string =>
  process.getuid?.() === 0 ? installedProgram('virtiofsd', '/usr/lib/qemu/virtiofsd') : 'only root can run virtiofsd';

describePeer('virtiofsd', find, (program) => {
  testFiles(program, (socket, folder) => [
    `--socket-path=${socket}`,
    ...['-o', `source=${folder}`, '-o', 'sandbox=chroot', '-f'],
  ]);
});
