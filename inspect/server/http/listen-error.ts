import { DmaError } from '../../../streams/index.js';
import type { CheckedOptions } from '../inspector-options.js';

/** The error of a server that cannot listen, with what to do. */
export function listenError(error: unknown, { host, port }: CheckedOptions): DmaError {
  const { code = 'ERR_UNKNOWN', syscall } = error as NodeJS.ErrnoException;
  return new DmaError(`the inspector cannot listen on ${host}, port ${port}`, {
    code,
    syscall,
    hint: hintOf(code, port),
    cause: error,
  });
}

function hintOf(code: string, port: number): string {
  switch (code) {
    case 'EADDRINUSE':
      return `another program listens on port ${port} (\`ss -ltnp\` shows which): end it, or give another port; 0 is any free one`;
    case 'EACCES':
      return `ports below 1024 need a privilege (CAP_NET_BIND_SERVICE): give a port from 1024 on; 0 is any free one`;
    case 'EADDRNOTAVAIL':
      return 'this machine does not have that address (`ip address` shows those that it has): give one of its own';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EAI_FAIL':
      return "no address is known for that name: give an IP address as host, as in '127.0.0.1'";
    case 'EAFNOSUPPORT':
      return 'this machine has no IPv6: give an IPv4 address as host';
    default:
      return "give another host or port; the defaults are '127.0.0.1' and any free port";
  }
}
