import { expect } from 'chai';
import { pathToFileURL } from 'node:url';
import { of } from 'rxjs';
import { serveInspector, type InspectorOptions } from '../../../inspect/index.js';
import { listenError } from '../../../inspect/server/http/listen-error.js';
import { readPageFiles } from '../../../inspect/server/http/page-files.js';
import { checkedOptions } from '../../../inspect/server/inspector-options.js';
import { temporaryFolder } from '../../../lab/temporary-folder.js';
import { DmaError, RegionManager } from '../../../streams/index.js';
import { rejectionOf } from '../../streams/support/phrases.js';

describe('serveInspector refuses', () => {
  let manager: RegionManager;

  beforeEach(() => {
    manager = new RegionManager();
  });

  afterEach(() => manager.close());

  for (const [what, options, type, message] of [
    ['a port that is no number', { port: '80' }, TypeError, "port of serveInspector must be a number, not '80'"],
    ['a port out of range', { port: 65_536 }, RangeError, 'an integer from 0 to 65535, not 65536'],
    ['a port that is no integer', { port: 1.5 }, RangeError, 'not 1.5'],
    ['a host that is no string', { host: 1 }, TypeError, 'host of serveInspector must be a string, not 1'],
    ['a host with a port', { host: '127.0.0.1:80' }, RangeError, 'the port is an option of its own'],
    ['an empty host', { host: '' }, RangeError, "not ''"],
    ['a host that is a URL', { host: 'http://127.0.0.1' }, RangeError, "an IP address as '127.0.0.1'"],
    ['a description that is no string', { description: null }, TypeError, 'description of serveInspector'],
    ['a status$ that is no Observable', { status$: [] }, TypeError, 'status$ of serveInspector must be an Observable'],
    ['problems$ that are no Observable', { problems$: {} }, TypeError, 'problems$ of serveInspector'],
    ['allowedHosts that are no list', { allowedHosts: 'a' }, TypeError, 'allowedHosts of serveInspector'],
    ['an allowed host that is no string', { allowedHosts: [1] }, TypeError, 'each of allowedHosts'],
    ['an allowed host that is a URL', { allowedHosts: ['http://a'] }, RangeError, "as 'vmm.example'"],
    ['an allowed host with a port out of range', { allowedHosts: ['a:99999'] }, RangeError, "not 'a:99999'"],
    ['an empty allowed host', { allowedHosts: [''] }, RangeError, "not ''"],
    ['a wildcard', { allowedHosts: ['*'] }, RangeError, "not '*'"],
    ['options that are no object', 1, TypeError, 'the options of serveInspector: an object is needed, not 1'],
  ] as const) {
    it(what, async () => {
      const error = await rejectionOf(serveInspector(manager, options as unknown as InspectorOptions));
      expect(error).to.be.instanceOf(type);
      expect(error.message).to.include(message);
    });
  }

  it('what is no manager', async () => {
    const error = await rejectionOf(serveInspector({} as RegionManager));
    expect(error).to.be.instanceOf(TypeError);
    expect(error.message).to.include('serveInspector needs a RegionManager');
  });

  it('a manager that has been closed, and leaves nothing behind', async () => {
    await manager.close();
    const error = await rejectionOf(serveInspector(manager));
    expect(error).to.be.instanceOf(DmaError).and.to.include({ code: 'ERR_CLOSED' });
    expect(process.getActiveResourcesInfo()).to.not.include('TCPServerWrap');
  });

  it('a port that is in use, and says what to do', async () => {
    await using first = await serveInspector(manager);
    const port = Number(new URL(first.url).port);
    const error = await rejectionOf(serveInspector(manager, { port }));
    expect(error).to.be.instanceOf(DmaError).and.to.include({ code: 'EADDRINUSE', syscall: 'listen' });
    expect(error.message).to.include(`cannot listen on 127.0.0.1, port ${port}`);
    expect(error['hint']).to.include('ss -ltnp').and.to.include('0 is any free one');
  });

  it('an address that is not one of this machine, and says what to do', async () => {
    const error = await rejectionOf(serveInspector(manager, { host: '192.0.2.1' }));
    expect(error).to.include({ code: 'EADDRNOTAVAIL' });
    expect(error['hint']).to.include('ip address');
  });

  it('a name without an address, and says what to do', async () => {
    const error = await rejectionOf(serveInspector(manager, { host: 'nowhere.invalid' }));
    expect(error['code']).to.be.oneOf(['ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL']);
    expect(error['hint']).to.include('give an IP address');
  });

  it('to listen where it may not, and says what to do', () => {
    const error = listenError(Object.assign(new Error(''), { code: 'EACCES' }), checkedOptions({ port: 80 }));
    expect(error).to.include({ code: 'EACCES' });
    expect(error.hint).to.include('CAP_NET_BIND_SERVICE');
    expect(listenError(Object.assign(new Error(''), { code: 'EMFILE' }), checkedOptions({})).hint).to.include(
      'defaults',
    );
    expect(listenError(Object.assign(new Error(''), { code: 'EAFNOSUPPORT' }), checkedOptions({})).hint).to.include(
      'IPv4',
    );
  });

  it('to serve a page that is not there, and says what to do', async () => {
    const folder = temporaryFolder('page');
    const error = await rejectionOf(readPageFiles(pathToFileURL(`${folder}/`)));
    expect(error.message).to.include('index.html').and.to.include('npm run build:ts');
  });

  it('nothing else: all options together', async () => {
    await using inspector = await serveInspector(manager, {
      ...{ port: 0, host: 'localhost', description: 'a', status$: of({ phase: 'following' as const }) },
      ...{ problems$: of(), allowedHosts: ['a.example', '10.0.0.1:80'] },
    });
    expect(inspector.url).to.match(/^http:\/\/(127\.0\.0\.1|\[::1\]):\d+\/$/);
  });
});
