import { existsSync } from 'node:fs';
import { Option } from 'commander';
import { webAddressOf, type WebAddress } from '../watch/web-address.js';

/** What `--web` says: `true` without a value. */
export interface WebOption {
  readonly web?: string | true;
}

/** `--web`. Its value may be left out. */
export function webOption(): Option {
  return new Option(
    '--web [[host:]port]',
    'serve a page for browsers instead, to this machine alone and at any free port if nothing else is given',
  );
}

/**
 * Where the page is to be served, and the trace. The word after `--web` is its value, even if it was meant as the trace: what is the path of a file, or
 * `-`, and no address, is the trace if there is no other source.
 *
 * @throws UsageError if the value is neither
 */
export function webAndTrace(
  { web }: WebOption,
  trace: string | undefined,
  hasOtherSource: boolean,
): { readonly address: WebAddress | undefined; readonly trace: string | undefined } {
  if (typeof web === 'string' && trace === undefined && !hasOtherSource && isTrace(web)) {
    return { address: webAddressOf(undefined), trace: web };
  }
  return { address: web === undefined ? undefined : webAddressOf(web === true ? undefined : web), trace };
}

function isTrace(text: string): boolean {
  return text === '-' || (!/^([^/]*:)?\d+$/.test(text) && existsSync(text));
}
