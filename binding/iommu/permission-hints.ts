import { currentUser } from './current-user.js';

/**
 * Hint for a device file that this process may not open.
 *
 * The kernel returns `EACCES` if the file mode does not allow access, and `EPERM` if the device cgroup does not, which applies to root too.
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

/** Hint for a missing device file, if the kernel has the device. */
export function missingFileHint(...paths: readonly string[]): string {
  return `In a container, pass it in: ${passIn(paths)} with docker or podman. Elsewhere: mount devtmpfs on /dev.`;
}

/** Hint for files that the device cgroup does not let this process open. */
export function cgroupHint(...paths: readonly string[]): string {
  return (
    `The device cgroup of this process does not allow it, whatever user it runs as. In a container: ${passIn(paths)} with docker or podman. ` +
    `In a service of systemd: ${paths.map((path) => `DeviceAllow=${path}`).join(', ')}.`
  );
}

/** Hint for a root user that lacks the usual privileges of root. */
export function rootHint(...paths: readonly string[]): string {
  return (
    'Root is not allowed to open it here: this is a container without CAP_DAC_OVERRIDE, one whose root is an ordinary user outside (then, ' +
    `as root outside: chown USER ${paths.join(' ')}, for the user who runs it), or a file system mounted with nodev.`
  );
}

function passIn(paths: readonly string[]): string {
  return paths.map((path) => `--device ${path}`).join(' ');
}
