import { isIP, isIPv6 } from 'node:net';

/** A name by which a browser reaches a server. */
export interface Host {
  /** In lower case; an IPv6 address in brackets, in its shortest form. */
  readonly name: string;
  readonly port: number | undefined;
}

const PORT_MAX = 65_535;

/** What the header `Host` says; `undefined` when no browser would say that. */
export function hostOf(text: string): Host | undefined {
  const [, written, portText] = /^(\[[^\]]*\]|[^:[\]]*)(?::(\d{1,5}))?$/.exec(text) ?? [];
  const port = portText === undefined ? undefined : Number(portText);
  if (written === undefined || (port !== undefined && port > PORT_MAX)) {
    return undefined;
  }
  const isBracketed = written.startsWith('[');
  const address = isBracketed ? written.slice(1, -1) : written;
  return isBracketed
    ? isIPv6(address) && !address.includes('%')
      ? { name: nameOfAddress(address), port }
      : undefined
    : isIP(address) === 4 || isHostName(address)
      ? { name: nameOfAddress(address), port }
      : undefined;
}

/** How a browser calls an address or a name: IPv6 in brackets, in its shortest form. */
export function nameOfAddress(address: string): string {
  const [bare = ''] = address.split('%', 1); // The zone is not a part of names.
  return isIPv6(bare) ? new URL(`http://[${bare}]`).hostname : bare.toLowerCase();
}

/** Whether it is an address rather than a name that somebody can make. */
export function isAddressName(name: string): boolean {
  return isIP(name.startsWith('[') ? name.slice(1, -1) : name) !== 0;
}

/** Letters, digits, hyphens and underscores, in parts with dots between. */
export function isHostName(text: string): boolean {
  return text.length <= 253 && /^[a-z\d_]([a-z\d_-]*[a-z\d_])?(\.[a-z\d_]([a-z\d_-]*[a-z\d_])?)*\.?$/i.test(text);
}
