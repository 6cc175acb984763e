import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { refusalOf, type Address, type Refusal } from './allowed-requests.js';
import type { CheckedOptions } from '../inspector-options.js';
import type { PageFile } from './page-files.js';

const EVENTS = '/events';

/** A web page has three files and one stream of events: none of these is reached by it. */
const LIMITS = { headerBytes: 8_192, requestMs: 10_000, keepAliveMs: 5_000, connections: 256 };

/** On every response. */
const HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cache-Control': 'no-store',
};

const TEXT = 'text/plain; charset=utf-8';

/** The web server of an inspector: the files of the page, and the stream of events. It changes nothing. */
export class HttpServer {
  readonly #server: Server;
  readonly #files: ReadonlyMap<string, PageFile>;
  readonly #openEvents: (response: ServerResponse) => Refusal | undefined;
  #address: Address | undefined = undefined;

  /** @param openEvents gives the response to a stream of events, unless it refuses that */
  constructor(files: ReadonlyMap<string, PageFile>, openEvents: (response: ServerResponse) => Refusal | undefined) {
    this.#files = files;
    this.#openEvents = openEvents;
    const { headerBytes, requestMs, keepAliveMs, connections } = LIMITS;
    this.#server = createServer(
      {
        maxHeaderSize: headerBytes,
        headersTimeout: requestMs,
        requestTimeout: requestMs,
        keepAliveTimeout: keepAliveMs,
        connectionsCheckingInterval: requestMs / 2,
      },
      (request, response) => {
        this.#answer(request, response);
      },
    );
    this.#server.maxConnections = connections;
  }

  /** Where it listens. */
  get address(): Address {
    if (this.#address === undefined) {
      throw new Error('the server does not listen yet');
    }
    return this.#address;
  }

  /** @throws the error of the system when it cannot listen */
  listen({ host, port, allowedHosts }: CheckedOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port }, () => {
        this.#server.off('error', reject);
        const { address, port: given } = this.#server.address() as AddressInfo;
        this.#address = { address, port: given, host, allowedHosts };
        resolve();
      });
    });
  }

  get isListening(): boolean {
    return this.#server.listening;
  }

  /** Ends all connections. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => {
        resolve();
      });
      this.#server.closeAllConnections();
    });
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    response.on('error', () => undefined); // The connection has broken.
    const [path = ''] = (request.url ?? '').split('?', 1);
    const refusal = refusalOf(request, this.address, path === EVENTS);
    if (refusal !== undefined) {
      refuse(response, refusal);
      return;
    }
    const file = this.#files.get(path);
    if (file !== undefined) {
      const { type, content } = file;
      response.writeHead(200, { ...HEADERS, 'Content-Type': type, 'Content-Length': content.byteLength });
      response.end(content); // Node sends no body to a HEAD.
    } else if (path === EVENTS) {
      this.#answerEvents(request, response);
    } else {
      refuse(response, { status: 404, text: 'There is no such page: the page of the inspector is at /.' });
    }
  }

  #answerEvents({ method }: IncomingMessage, response: ServerResponse): void {
    for (const [name, value] of Object.entries({ ...HEADERS, 'Content-Type': 'text/event-stream; charset=utf-8' })) {
      response.setHeader(name, value);
    }
    if (method === 'HEAD') {
      response.end();
      return;
    }
    const refusal = this.#openEvents(response);
    if (refusal !== undefined) {
      refuse(response, refusal);
    }
  }
}

function refuse(response: ServerResponse, { status, text, headers = {} }: Refusal): void {
  const body = Buffer.from(`${text}\n`);
  response.writeHead(status, { ...HEADERS, ...headers, 'Content-Type': TEXT, 'Content-Length': body.byteLength });
  response.end(body);
}
