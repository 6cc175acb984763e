import { currentUser } from './current-user.js';

/**
 * What to do when a device file may not be opened.
 *
 * The kernel says `EACCES` where the mode of the file does not allow it, and `EPERM` where the device cgroup does not, which counts for root
 * as well.
 */
export function permissionHint(errno: 'EACCES' | 'EPERM', path: string): string {
  if (errno === 'EPERM') {
    return cgroupHint(path);
  }
  if (process.geteuid?.() === 0) {
    return rootHint(path);
  }
  const user = currentUser();
  return `As root: chown ${user} ${path}, or lastingly a udev rule: SUBSYSTEM=="vfio", OWNER="${user}" (/dev/iommu: KERNEL=="iommu").`;
}

/** A file that is not there although the kernel has the device. */
export function missingFileHint(...paths: readonly string[]): string {
  return `In a container, pass it in: ${passIn(paths)} with docker or podman. Elsewhere: mount devtmpfs on /dev.`;
}

/** The device cgroup keeps this process from opening the files. */
export function cgroupHint(...paths: readonly string[]): string {
  return (
    `The device cgroup of this process does not allow it, whatever user it runs as. In a container: ${passIn(paths)} with docker or podman. ` +
    `In a service of systemd: ${paths.map((path) => `DeviceAllow=${path}`).join(', ')}.`
  );
}

/** Root is not allowed what everybody's root is. */
export function rootHint(...paths: readonly string[]): string {
  return (
    'Root is not allowed to open it here: this is a container without CAP_DAC_OVERRIDE, one whose root is an ordinary user outside (then, ' +
    `as root outside: chown USER ${paths.join(' ')}, for the user who runs it), or a file system mounted with nodev.`
  );
}

function passIn(paths: readonly string[]): string {
  return paths.map((path) => `--device ${path}`).join(' ');
}
