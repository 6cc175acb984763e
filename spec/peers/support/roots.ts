import { programOfRoot, type Program } from './program.js';

// The private roots of `npm run test:peers`, and the programs that it takes from them.

export function dpdkTestpmd(): Program {
  return programOfRoot(
    {
      name: 'bookworm-dpdk',
      suites: ['bookworm'],
      packages: ['dpdk-dev', 'librte-net-vhost23'],
      without: ['libdpdk-dev', 'python3'],
    },
    { name: 'dpdk-testpmd', path: 'usr/bin/dpdk-testpmd', package: 'dpdk-dev' },
  );
}

/** By the suites of Debian, of which the last one has it. */
export function newerStorageDaemon(...suites: readonly string[]): Program {
  return programOfRoot(
    { name: `${suites.join('-')}-qemu`, suites, packages: ['qemu-utils'] },
    { name: 'qemu-storage-daemon', path: 'usr/bin/qemu-storage-daemon', package: 'qemu-utils' },
  );
}

export function rustVirtiofsd(suite: string): Program {
  return programOfRoot(
    { name: `${suite}-virtiofsd`, suites: [suite], packages: ['virtiofsd'] },
    { name: 'virtiofsd', path: 'usr/libexec/virtiofsd', package: 'virtiofsd' },
  );
}

export function vhostDeviceVsock(): Program {
  return programOfRoot(
    { name: 'sid-vsock', suites: ['sid'], packages: ['vhost-device-vsock'] },
    { name: 'vhost-device-vsock', path: 'usr/bin/vhost-device-vsock', package: 'vhost-device-vsock' },
  );
}
