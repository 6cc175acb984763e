/**
 * `vhost-device-vsock` 0.3 (Debian unstable), in a private root. It has no memory slots: it takes memory as a table.
 *
 *     vhost-device-vsock --guest-cid 4 --uds-path PATH --socket SOCKET
 */
import { describePeer } from '../support/program.js';
import { vhostDeviceVsock } from '../support/roots.js';
import { testSockets } from '../support/vsock-suite.js';

describePeer('vhost-device-vsock', vhostDeviceVsock, testSockets);
