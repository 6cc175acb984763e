import { expect } from 'chai';
import { webAndTrace } from '../../../cli/commands/web-option.js';
import { UsageError } from '../../../cli/errors.js';
import { webAddressOf } from '../../../cli/watch/web-address.js';
import { PACKAGE } from '../support/command.js';

describe('the value of --web', () => {
  for (const [text, host, port] of [
    [undefined, '127.0.0.1', 0],
    ['8080', '127.0.0.1', 8080],
    ['0', '127.0.0.1', 0],
    ['65535', '127.0.0.1', 65_535],
    ['0.0.0.0:8080', '0.0.0.0', 8080],
    ['localhost:0', 'localhost', 0],
    ['my-host.example.org:443', 'my-host.example.org', 443],
    ['[::1]:8080', '::1', 8080],
    ['[::]:80', '::', 80],
  ] as const) {
    it(`${text ?? 'none'} is port ${port} of ${host}`, () => {
      expect(webAddressOf(text)).to.deep.equal({ host, port });
    });
  }

  for (const [text, advice] of [
    ['', /a port is a number from 0 to 65535, 0 for any that is free/],
    ['65536', /a port is a number from 0 to 65535/],
    ['-1', /it has no port/],
    ['0x50', /it has no port/],
    ['localhost', /it has no port; a trace is written before --web, and has to exist/],
    ['localhost:', /a port is a number/],
    ['localhost:http', /a port is a number/],
    [':8080', /it names no host; write 8080 for this machine alone, 0\.0\.0\.0:8080 for all its networks/],
    ['*:8080', /it names no host; write 8080 /],
    ['::1:8080', /an IPv6 address is written in brackets: \[::1\]:8080/],
    ['[localhost]:8080', /in brackets/],
    ['[::1:8080', /in brackets/],
    ['[::1]', /a port is a number/],
    ['http://127.0.0.1:8080', /it is a URL; write only the host and the port/],
    ['http://localhost/', /it is a URL/],
    ['300.1.1.1:80', /"300\.1\.1\.1" is no name or address of a host/],
    ['a b:80', /"a b" is no name/],
    ['-a:80', /"-a" is no name/],
    ['ä:80', /"ä" is no name/],
  ] as const) {
    it(`${JSON.stringify(text)} is refused, with what is written instead`, () => {
      expect(() => webAddressOf(text))
        .to.throw(UsageError, advice)
        .with.property('message')
        .that.contains(`"${text}"`);
    });
  }

  const loopback = { host: '127.0.0.1', port: 0 };

  it('is the trace if it is the path of a file and there is no other source', () => {
    const path = `${PACKAGE}package.json`;
    for (const trace of [path, '-']) {
      expect(webAndTrace({ web: trace }, undefined, false)).to.deep.equal({ address: loopback, trace });
    }
    expect(() => webAndTrace({ web: path }, 'boot.jsonl', false)).to.throw(UsageError, 'it has no port');
    expect(() => webAndTrace({ web: path }, undefined, true)).to.throw(UsageError, 'it has no port');
    expect(() => webAndTrace({ web: `${path}x` }, undefined, false)).to.throw(UsageError, 'it has no port');
  });

  it('leaves the trace alone, and may be left out', () => {
    expect(webAndTrace({}, 'a', false)).to.deep.equal({ address: undefined, trace: 'a' });
    expect(webAndTrace({ web: true }, 'a', false)).to.deep.equal({ address: loopback, trace: 'a' });
    expect(webAndTrace({ web: '80' }, undefined, true)).to.deep.equal({
      address: { host: '127.0.0.1', port: 80 },
      trace: undefined,
    });
  });
});
