import { isIP, isIPv6 } from 'node:net';
import { basename } from 'node:path';
import { isObservable, type Observable } from 'rxjs';
import { checkOptions, show } from '../../streams/internal.js';
import { hostOf, isHostName, type Host } from './http/hosts.js';
import type { SourceStatus, WatchProblem } from '../source-status.js';

/** Options of `serveInspector`. */
export interface InspectorOptions {
  /** TCP port, 0 to 65535. Default: 0, any free one. */
  readonly port?: number;
  /**
   * IP address to listen on, or a name that has one. Everybody who can connect to it sees the memory map, without a password. Default:
   * `'127.0.0.1'`, this machine only.
   */
  readonly host?: string;
  /** What is looked at, for people; the title of the page. May contain any characters. Default: the name of the program and its process ID. */
  readonly description?: string;
  /** How the source of the memory map is doing. Subscribed to while a page is open: it should begin with the status of that time. Default: none is shown. */
  readonly status$?: Observable<SourceStatus>;
  /**
   * What else goes wrong, for the log. Subscribed to at once, until the inspector is closed: a page that is opened later gets the
   * last 100. The warnings of the manager need not be in it. Default: none.
   */
  readonly problems$?: Observable<WatchProblem>;
  /**
   * Further names by which browsers may reach the server, as in `'vmm.example'`, or with a port, as in `'localhost:8080'` at the other end of a
   * tunnel. Requests by other names are refused with status 403, because any web page can give this machine a name of its own (DNS rebinding).
   * Default: none.
   */
  readonly allowedHosts?: readonly string[];
}

/** Options with their defaults. */
export interface CheckedOptions {
  readonly port: number;
  readonly host: string;
  readonly description: string;
  readonly status$: Observable<SourceStatus> | undefined;
  readonly problems$: Observable<WatchProblem> | undefined;
  readonly allowedHosts: readonly Host[];
}

const HERE = 'serveInspector';

/** @throws TypeError when an option has the wrong type, RangeError when it has the wrong value */
export function checkedOptions(options: InspectorOptions): CheckedOptions {
  checkOptions(
    options,
    { port: true, host: true, description: true, status$: true, problems$: true, allowedHosts: true },
    HERE,
  );
  const {
    port = 0,
    host = '127.0.0.1',
    description = `${basename(process.argv[1] ?? 'node')}, process ${process.pid}`,
    status$,
    problems$,
    allowedHosts = [],
  } = options;
  checkPort(port);
  checkHost(host);
  checkString(description, 'description');
  checkObservable(status$, 'status$');
  checkObservable(problems$, 'problems$');
  return { port, host, description, status$, problems$, allowedHosts: checkedHosts(allowedHosts) };
}

function checkPort(port: unknown): void {
  if (typeof port !== 'number') {
    throw new TypeError(`port of ${HERE} must be a number, not ${show(port)}`);
  }
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new RangeError(`port of ${HERE} must be an integer from 0 to 65535, not ${port}; 0 is any free one`);
  }
}

function checkHost(host: unknown): void {
  checkString(host, 'host');
  if (isIP(host) === 0 && !isHostName(host)) {
    throw new RangeError(
      `host of ${HERE} must be an IP address as '127.0.0.1', or a name, without a port, not ${show(host)}; the port is an option of its own`,
    );
  }
}

function checkString(value: unknown, name: string): asserts value is string {
  if (typeof value !== 'string') {
    throw new TypeError(`${name} of ${HERE} must be a string, not ${show(value)}`);
  }
}

function checkObservable(value: unknown, name: string): void {
  if (value !== undefined && !isObservable(value)) {
    throw new TypeError(`${name} of ${HERE} must be an Observable, not ${show(value)}`);
  }
}

function checkedHosts(hosts: unknown): readonly Host[] {
  if (!Array.isArray(hosts)) {
    throw new TypeError(`allowedHosts of ${HERE} must be an array of names, not ${show(hosts)}`);
  }
  return hosts.map((host: unknown) => {
    checkString(host, 'each of allowedHosts');
    const checked = hostOf(isIPv6(host) ? `[${host}]` : host);
    if (checked === undefined) {
      throw new RangeError(
        `each of allowedHosts of ${HERE} must be a name, as 'vmm.example', or a name and a port, as 'localhost:8080' or '[::1]:8080', not ${show(host)}`,
      );
    }
    return checked;
  });
}
