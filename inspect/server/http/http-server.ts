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

const PIPELINED: Refusal = {
  status: 400,
  text: 'The events were asked for before another answer on this connection has ended: open a connection for them.',
};

const TEXT = 'text/plain; charset=utf-8';

/** Where streams of events begin. */
export interface Events {
  /** Why one cannot begin now. */
  readonly refusal: Refusal | undefined;
  /** Begins one. Its headers have been set. */
  open(response: ServerResponse): void;
}

/** The web server of an inspector: the files of the page, and the stream of events. It changes nothing. */
export class HttpServer {
  readonly #server: Server;
  readonly #files: ReadonlyMap<string, PageFile>;
  readonly #events: Events;
  #address: Address | undefined = undefined;

  constructor(files: ReadonlyMap<string, PageFile>, events: Events) {
    this.#files = files;
    this.#events = events;
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
        response.on('error', () => undefined); // The connection has broken.
        try {
          this.#answer(request, response);
        } catch {
          response.destroy(); // A fault of the inspector must not end the program that is looked at.
        }
      },
    );
    this.#server.on('connect', (_request, socket) => {
      socket.on('error', () => undefined);
      socket.end(
        'HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, HEAD\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
      );
    });
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
    const { host, path } = addressed(request);
    const refusal = refusalOf(request, host, this.address, path === EVENTS);
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
    const isBehindAnother = response.socket === null;
    const refusal = isBehindAnother ? PIPELINED : this.#events.refusal;
    if (refusal !== undefined) {
      refuse(response, refusal);
      return;
    }
    for (const [name, value] of Object.entries({ ...HEADERS, 'Content-Type': 'text/event-stream; charset=utf-8' })) {
      response.setHeader(name, value);
    }
    if (method === 'HEAD') {
      response.end();
    } else {
      this.#events.open(response);
    }
  }
}

/** What a request is for. Its line may have a whole URL, which counts more than the header `Host`. */
function addressed({ url = '', headers }: IncomingMessage): {
  readonly host: string | undefined;
  readonly path: string;
} {
  const whole = /^http:\/\/([^/?#]*)/i.exec(url);
  const [path = ''] = url.slice(whole?.[0].length ?? 0).split('?', 1);
  return { host: whole?.[1] ?? headers.host, path: path === '' && whole !== null ? '/' : path };
}

function refuse(response: ServerResponse, { status, text, headers = {} }: Refusal): void {
  const body = Buffer.from(`${text}\n`);
  response.writeHead(status, { ...HEADERS, ...headers, 'Content-Type': TEXT, 'Content-Length': body.byteLength });
  response.end(body);
}
