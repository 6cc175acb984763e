import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';

/** Why a request is refused. */
export interface Refusal {
  readonly status: number;
  /** What was wrong and what to do, in plain text. */
  readonly text: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Where the server listens, and what it may be called besides. */
export interface Address {
  /** As the system calls it: an IP address. */
  readonly address: string;
  readonly port: number;
  /** The option `host`. */
  readonly host: string;
  /** In lower case. */
  readonly allowedHosts: readonly string[];
}

/** The address of the page for a browser on this machine. */
export function urlOf({ address, port }: Address): string {
  const reachable = address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address;
  return `http://${bracketed(reachable)}:${port}/`;
}

/**
 * Refuses what a browser would not send of its own accord to this server: other methods; other names of this machine, which any web page can
 * make (DNS rebinding); and for what is not a page but data, requests of other pages.
 *
 * @param isData whether it is data that other pages must not have
 */
export function refusalOf(request: IncomingMessage, address: Address, isData: boolean): Refusal | undefined {
  const { method, headers } = request;
  if (method !== 'GET' && method !== 'HEAD') {
    return {
      status: 405,
      text: `${String(method)} is not possible: the inspector changes nothing. Use GET.`,
      headers: { Allow: 'GET, HEAD' },
    };
  }
  const { host } = headers;
  if (host === undefined || !isAllowedHost(host.toLowerCase(), address)) {
    return {
      status: 403,
      text:
        `The inspector is not served as ${JSON.stringify(host ?? '')}. Open ${urlOf(address)}, or give serveInspector the name by which you ` +
        `reach it: allowedHosts: [${JSON.stringify(host ?? 'name:port')}].`,
    };
  }
  if (isData && !isFromOwnPage(headers, host)) {
    return {
      status: 403,
      text: `Another page has asked for the events. Only the page of the inspector itself may have them: open ${urlOf(address)}.`,
    };
  }
  return undefined;
}

function isAllowedHost(host: string, { address, port, host: option, allowedHosts }: Address): boolean {
  if (allowedHosts.includes(host)) {
    return true;
  }
  const [, name = '', portText = ':80'] = /^(\[[\da-f:.]*\]|[^:[\]]*)(:\d{1,5})?$/.exec(host) ?? [];
  if (Number(portText.slice(1)) !== port) {
    return false;
  }
  const names = ['localhost', bracketed(address), bracketed(option.toLowerCase()), ...allowedHosts];
  return names.includes(name) || (isWildcard(address) && isIP(unbracketed(name)) !== 0);
}

/** Listens on all addresses of this machine. An address is no name that somebody else could have made. */
function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

/** Browsers say where a request comes from; other programs do not, and no page can make them. */
function isFromOwnPage(headers: IncomingMessage['headers'], host: string): boolean {
  const { origin, 'sec-fetch-site': site } = headers;
  return (
    (origin === undefined || origin.toLowerCase() === `http://${host.toLowerCase()}`) &&
    (site === undefined || site === 'same-origin' || site === 'none')
  );
}

function bracketed(address: string): string {
  return isIP(address) === 6 ? `[${address}]` : address;
}

function unbracketed(name: string): string {
  return name.startsWith('[') ? name.slice(1, -1) : name;
}
