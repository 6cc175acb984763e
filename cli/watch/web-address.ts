import { isIP, isIPv6 } from 'node:net';
import { isHostName } from '../../inspect/server/http/hosts.js';
import { UsageError } from '../errors.js';

/** Where the page of `watch --web` is served. */
export interface WebAddress {
  /** A name or an address of this machine, IPv6 without brackets. */
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
}

/** Only this machine can connect to it. */
const LOOPBACK = '127.0.0.1';

const HIGHEST_PORT = 65_535;

/** What the value of `--web` looks like, for messages. */
const SHAPE = '[HOST:]PORT, such as 8080 or 0.0.0.0:8080';

/**
 * What `[HOST:]PORT` says; without it, any free port of the loopback interface.
 *
 * @throws UsageError with what is wrong with it, and how it is written
 */
export function webAddressOf(text: string | undefined): WebAddress {
  if (text === undefined) {
    return { host: LOOPBACK, port: 0 };
  }
  if (text.includes('://')) {
    throw refused(text, 'it is a URL; write only the host and the port');
  }
  const colon = text.lastIndexOf(':');
  if (colon === -1 && !/^\d*$/.test(text)) {
    throw refused(text, 'it has no port; a trace is written before --web, and has to exist');
  }
  const written = colon === -1 ? undefined : text.slice(0, colon);
  const port = portOf(text.slice(colon + 1), text);
  return { host: written === undefined ? LOOPBACK : hostOf(written, port, text), port };
}

function hostOf(written: string, port: number, text: string): string {
  const bare = /^\[(.*)\]$/.exec(written)?.[1];
  if (bare !== undefined && isIPv6(bare)) {
    return bare;
  }
  if (written === '' || written === '*') {
    throw refused(text, `it names no host; write ${port} for this machine alone, 0.0.0.0:${port} for all its networks`);
  }
  if (bare !== undefined || written.includes(':')) {
    throw refused(text, 'an IPv6 address is written in brackets: [::1]:8080');
  }
  // What consists of numbers is an address, or none.
  if (!isHostName(written) || (/^[\d.]+$/.test(written) && isIP(written) === 0)) {
    throw refused(text, `"${written}" is no name or address of a host`);
  }
  return written;
}

function portOf(written: string, text: string): number {
  const port = /^\d{1,5}$/.test(written) ? Number(written) : NaN;
  if (!(port <= HIGHEST_PORT)) {
    throw refused(text, `a port is a number from 0 to ${HIGHEST_PORT}, 0 for any that is free`);
  }
  return port;
}

function refused(text: string, why: string): UsageError {
  return new UsageError(`--web takes ${SHAPE}, and not "${text}": ${why}`);
}
