import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { serveInspector, type Inspector, type InspectorOptions } from '../../../inspect/index.js';
import { hostOf } from '../../../inspect/server/http/hosts.js';
import { RegionManager } from '../../../streams/index.js';
import { EventReader } from './support/event-reader.js';
import { ask } from './support/http.js';

describe('the web server of an inspector', () => {
  let manager: RegionManager;
  let inspector: Inspector;

  async function serve(options: InspectorOptions = {}): Promise<string> {
    inspector = await serveInspector(manager, options);
    return inspector.url;
  }

  beforeEach(() => {
    manager = new RegionManager();
  });

  afterEach(async () => {
    await inspector.close();
    await manager.close();
  });

  describe('serves', () => {
    for (const [path, type] of [
      ['/', 'text/html; charset=utf-8'],
      ['/page.js', 'text/javascript; charset=utf-8'],
      ['/page.css', 'text/css; charset=utf-8'],
    ] as const) {
      it(`${path} as ${type}, and of a HEAD the headers`, async () => {
        const url = await serve();
        const whole = await ask(url, { path });
        expect(whole.status).to.equal(200);
        expect(whole.headers['content-type']).to.equal(type);
        expect(Buffer.byteLength(whole.body)).to.equal(Number(whole.headers['content-length']));
        expect(whole.body).to.not.equal('');
        const head = await ask(url, { path, method: 'HEAD' });
        expect(head.status).to.equal(200);
        expect(head.body).to.equal('');
        expect(head.headers['content-length']).to.equal(whole.headers['content-length']);
      });
    }

    it('the events, and of a HEAD the headers, without a page', async () => {
      const url = await serve();
      const head = await ask(url, { path: '/events', method: 'HEAD' });
      expect(head.status).to.equal(200);
      expect(head.headers['content-type']).to.equal('text/event-stream; charset=utf-8');
      using reader = await EventReader.ready(url);
      expect(reader.messages.map(({ type }) => type)).to.include.members(['start', 'ready']);
    });

    it('nothing inline in the page, as the content security policy wants it', async () => {
      const { body } = await ask(await serve());
      expect(body).to.not.match(/<style|\sstyle=|\son\w+=|<script(?![^>]*\bsrc=)/i);
    });

    it('headers on every answer that keep other pages out', async () => {
      const url = await serve();
      const answers = [
        await ask(url),
        await ask(url, { path: '/events', method: 'HEAD' }),
        await ask(url, { path: '/other' }),
        await ask(url, { method: 'POST' }),
        await ask(url, { headers: { host: 'evil.example' } }),
      ];
      expect(answers.map(({ status }) => status)).to.deep.equal([200, 200, 404, 405, 403]);
      for (const { headers } of answers) {
        expect(headers['content-security-policy']).to.equal(
          "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        );
        expect(headers).to.include({
          'x-content-type-options': 'nosniff',
          'referrer-policy': 'no-referrer',
          'cross-origin-resource-policy': 'same-origin',
          'cache-control': 'no-store',
        });
        expect(Object.keys(headers).filter((name) => name.startsWith('access-control'))).to.deep.equal([]);
      }
    });
  });

  describe('refuses', () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE']) {
      it(`${method} with 405, and says what is possible`, async () => {
        const { status, headers, body } = await ask(await serve(), { method, path: '/events' });
        expect(status).to.equal(405);
        expect(headers.allow).to.equal('GET, HEAD');
        expect(body).to.include('Use GET');
      });
    }

    for (const path of [
      '/other',
      '/events/',
      '//events',
      '/page.js/..',
      '/../package.json',
      '/%2e%2e/package.json',
      '/page.js%00',
      '/index.html.map',
      '/__proto__',
      '/constructor',
    ]) {
      it(`${path} with 404`, async () => {
        expect((await ask(await serve(), { path })).status).to.equal(404);
      });
    }

    it('names of this machine that it does not know with 403, and says what to do', async () => {
      const url = await serve();
      const { port } = new URL(url);
      for (const host of [
        `evil.example:${port}`,
        'evil.example',
        `localhost.evil.example:${port}`,
        `127.0.0.1.evil.example:${port}`,
        `evil@127.0.0.1:${port}`,
        '127.0.0.1:1',
        '127.0.0.1',
        'localhost',
        `192.0.2.1:${port}`,
        `[::]:${port}`,
        `127.0.0.1:${port}:${port}`,
      ]) {
        for (const path of ['/', '/events', '/other']) {
          const { status, body } = await ask(url, { path, headers: { host } });
          expect(status, `${host} ${path}`).to.equal(403);
          expect(body).to.include(url);
          expect(body.includes(`allowedHosts: ["${host}"]`), host).to.equal(hostOf(host) !== undefined);
        }
      }
    });

    it('requests without a name', async () => {
      const url = await serve();
      for (const head of [
        'GET /events HTTP/1.0',
        'GET /events HTTP/1.0\r\nHost:',
        'GET / HTTP/1.1\r\nHost: \r\nConnection: close',
      ]) {
        const socket = connect(Number(new URL(url).port), '127.0.0.1');
        socket.end(`${head}\r\n\r\n`);
        expect(await text(socket), head).to.match(/^HTTP\/1\.1 403 /);
      }
    });

    it('events for other pages, by their origin or where the request comes from', async () => {
      const url = await serve();
      const { host } = new URL(url);
      for (const headers of [
        { origin: 'http://evil.example' },
        { origin: 'null' },
        { origin: `https://${host}` },
        { origin: 'http://localhost:1' },
        { 'sec-fetch-site': 'cross-site' },
        { 'sec-fetch-site': 'same-site' },
        { origin: `http://${host}`, 'sec-fetch-site': 'cross-site' },
      ]) {
        const { status, body } = await ask(url, { path: '/events', headers });
        expect(status, JSON.stringify(headers)).to.equal(403);
        expect(body).to.include('Another page');
      }
      for (const headers of [
        { origin: `http://${host}`, 'sec-fetch-site': 'same-origin' },
        { 'sec-fetch-site': 'none' },
        { origin: `http://localhost:${new URL(url).port}`, host: `LocalHost:${new URL(url).port}` },
      ]) {
        const { status } = await ask(url, { path: '/events', method: 'HEAD', headers });
        expect(status, JSON.stringify(headers)).to.equal(200);
      }
    });

    it('CONNECT with 405', async () => {
      const socket = connect(Number(new URL(await serve()).port), '127.0.0.1');
      socket.end('CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n');
      expect(await text(socket)).to.match(/^HTTP\/1\.1 405 /);
    });

    it('whole URLs of other servers, and serves its own', async () => {
      const url = await serve();
      expect((await ask(url, { path: 'http://evil.example/' })).status).to.equal(403);
      expect((await ask(url, { path: `${url}page.css` })).status).to.equal(200);
      expect((await ask(url, { path: url.slice(0, -1), headers: { host: 'evil.example' } })).status).to.equal(200);
    });

    it('headers that are too long', async () => {
      const { status } = await ask(await serve(), { headers: { 'x-long': 'a'.repeat(9_000) } });
      expect(status).to.equal(431);
    });

    it('what is no HTTP, and goes on', async () => {
      const url = await serve();
      const socket = connect(Number(new URL(url).port), '127.0.0.1');
      socket.end('\u0016\u0003\u0001 hello\r\n\r\n');
      expect(await text(socket)).to.match(/^HTTP\/1\.1 400 /);
      expect((await ask(url)).status).to.equal(200);
    });
  });

  describe('is reached', () => {
    it('as localhost, and by the address that it listens on', async () => {
      const url = await serve();
      const { port } = new URL(url);
      expect(url).to.equal(`http://127.0.0.1:${port}/`);
      for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `LOCALHOST:${port}`]) {
        expect((await ask(url, { headers: { host } })).status, host).to.equal(200);
      }
    });

    it('by IPv6', async function () {
      try {
        await serve({ host: '::1' });
      } catch (error) {
        // A machine without IPv6 says so.
        expect(error).to.have.property('code').that.is.oneOf(['EADDRNOTAVAIL', 'EAFNOSUPPORT']);
        inspector = await serveInspector(manager);
        return;
      }
      const { port } = new URL(inspector.url);
      expect(inspector.url).to.equal(`http://[::1]:${port}/`);
      expect((await ask(inspector.url, { headers: { host: `[::1]:${port}` } })).status).to.equal(200);
      expect((await ask(inspector.url, { headers: { host: `[::2]:${port}` } })).status).to.equal(403);
    });

    it('by an IPv4 address that is written as IPv6, as browsers write that', async () => {
      const url = await serve({ host: '::ffff:127.0.0.1' });
      expect(url).to.match(/^http:\/\/\[::ffff:7f00:1\]:\d+\/$/);
      expect((await fetch(url)).status).to.equal(200);
    });

    it('by an IPv6 address that is allowed, however it is written', async () => {
      const url = await serve({ allowedHosts: ['[FD00:0::1]:8080', 'fd00::2'] });
      const { port } = new URL(url);
      const statuses: number[] = [];
      for (const host of ['[fd00::1]:8080', `[fd00::2]:${port}`, '[fd00::1]', `[fd00::3]:${port}`]) {
        statuses.push((await ask(url, { headers: { host } })).status);
      }
      expect(statuses).to.deep.equal([200, 200, 403, 403]);
    });

    it('by further names, with its port or one of theirs, when they are allowed', async () => {
      const url = await serve({ allowedHosts: ['VMM.example', 'localhost:8080'] });
      const { port } = new URL(url);
      const statuses: number[] = [];
      for (const host of [`vmm.example:${port}`, 'localhost:8080', 'vmm.example:8080', `other.example:${port}`]) {
        statuses.push((await ask(url, { headers: { host } })).status);
      }
      expect(statuses).to.deep.equal([200, 200, 403, 403]);
    });

    it('by any address, and no other name, when it listens on all', async () => {
      const url = await serve({ host: '0.0.0.0' });
      const { port } = new URL(url);
      expect(url).to.equal(`http://127.0.0.1:${port}/`);
      const statuses: number[] = [];
      for (const host of [`192.0.2.1:${port}`, `[2001:db8::1]:${port}`, `evil.example:${port}`, `192.0.2.1.:${port}`]) {
        statuses.push((await ask(url, { headers: { host } })).status);
      }
      expect(statuses).to.deep.equal([200, 200, 403, 403]);
    });
  });
});
