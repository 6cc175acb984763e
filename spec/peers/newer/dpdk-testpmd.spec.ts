/**
 * `dpdk-testpmd` of DPDK 22.11 (Debian 12: packages `dpdk-dev`, `librte-net-vhost23`), in a private root, with a port of its vhost driver
 * that sends each frame back. It has no memory slots: it takes memory as a table of at most 8 regions. It keeps a core busy.
 *
 *     dpdk-testpmd --no-huge -m 256 --no-pci -l 0,1 … --vdev net_vhost0,iface=SOCKET,queues=1 -- --forward-mode=io --port-topology=loop …
 */
import { testFrames } from '../support/frames-suite.js';
import { describePeer } from '../support/program.js';
import { dpdkTestpmd } from '../support/roots.js';

describePeer('dpdk-testpmd', dpdkTestpmd, testFrames);
