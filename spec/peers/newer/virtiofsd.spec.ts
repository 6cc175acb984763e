/**
 * `virtiofsd` in Rust: 1.13 (Debian 13) and 1.14 (Debian unstable), each in a private root:
 *
 *     virtiofsd --socket-path SOCKET --shared-dir FOLDER --sandbox none --seccomp none
 */
import { testFiles } from '../support/files-suite.js';
import { describePeer } from '../support/program.js';
import { rustVirtiofsd } from '../support/roots.js';

for (const suite of ['trixie', 'sid']) {
  describePeer(
    'virtiofsd',
    () => rustVirtiofsd(suite),
    (program) => {
      testFiles(program, (socket, folder) => [
        ...['--socket-path', socket, '--shared-dir', folder],
        ...['--sandbox', 'none', '--seccomp', 'none'],
      ]);
    },
  );
}
