/**
 * `qemu-storage-daemon` of newer releases: 10.0 (Debian 13) and 11.1 (backports of Debian 13), package `qemu-utils`, each in a private root.
 * Started as in `spec/peers/qemu-storage-daemon.spec.ts`. They have 509 memory slots.
 */
import { testDisk } from '../support/disk-suite.js';
import { describePeer } from '../support/program.js';
import { newerStorageDaemon } from '../support/roots.js';

for (const suites of [['trixie'], ['trixie', 'trixie-backports']]) {
  describePeer('qemu-storage-daemon', () => newerStorageDaemon(...suites), testDisk);
}
