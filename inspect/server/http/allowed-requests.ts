import type { IncomingMessage } from 'node:http';
import { hostOf, isAddressName, nameOfAddress, type Host } from './hosts.js';

/** What a browser leaves out. */
const HTTP_PORT = 80;

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
  readonly allowedHosts: readonly Host[];
}

/** The address of the page for a browser on this machine. */
export function urlOf({ address, port }: Address): string {
  const name = nameOfAddress(address);
  return `http://${LOOPBACK.get(name) ?? name}:${port}/`;
}

/** The addresses that mean all of this machine, and how it reaches itself. */
const LOOPBACK: ReadonlyMap<string, string> = new Map([
  ['0.0.0.0', '127.0.0.1'],
  ['[::]', '[::1]'],
  ['[::ffff:0:0]', '[::ffff:7f00:1]'],
]);

/**
 * Refuses what a browser would not send of its own accord to this server: other methods; other names of this machine, which any web page can
 * make (DNS rebinding); and for what is not a page but data, requests of other pages.
 *
 * @param host by which name the server was asked
 * @param isData whether it is data that other pages must not have
 */
export function refusalOf(
  request: IncomingMessage,
  host: string | undefined,
  address: Address,
  isData: boolean,
): Refusal | undefined {
  const { method, headers } = request;
  if (method !== 'GET' && method !== 'HEAD') {
    return {
      status: 405,
      text: `${String(method)} is not possible: the inspector changes nothing. Use GET.`,
      headers: { Allow: 'GET, HEAD' },
    };
  }
  const asked = hostOf(host ?? '');
  if (host === undefined || asked === undefined || !isAllowed(asked, address)) {
    const advice =
      asked === undefined
        ? '.'
        : `, or give serveInspector the name by which you reach it: allowedHosts: [${JSON.stringify(host)}].`;
    return {
      status: 403,
      text: `The inspector is not served as ${JSON.stringify(host ?? '')}. Open ${urlOf(address)}${advice}`,
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

function isAllowed({ name, port: asked }: Host, { address, port, host, allowedHosts }: Address): boolean {
  const isHere = (asked ?? HTTP_PORT) === port;
  if (
    allowedHosts.some(
      (allowed) => allowed.name === name && (allowed.port === undefined ? isHere : allowed.port === asked),
    )
  ) {
    return true;
  }
  const own = nameOfAddress(address);
  // An address is no name that somebody else could have made.
  const isOneOfAll = LOOPBACK.has(own) && isAddressName(name);
  return isHere && (['localhost', own, nameOfAddress(host)].includes(name) || isOneOfAll);
}

/** Browsers say where a request comes from; other programs do not, and no page can make them. */
function isFromOwnPage(headers: IncomingMessage['headers'], host: string): boolean {
  const { origin, 'sec-fetch-site': site } = headers;
  return (
    (origin === undefined || origin.toLowerCase() === `http://${host.toLowerCase()}`) &&
    (site === undefined || site === 'same-origin' || site === 'none')
  );
}
