import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { RegionManager, type DmaTarget } from '../../streams/index.js';
import { callToJson, callToText, LoggingTarget } from '../../targets/index.js';
import { requestOf, range } from './support/requests.js';

const INDEX = new URL('../../targets/index.js', import.meta.url).href;
const STREAMS = new URL('../../streams/index.js', import.meta.url).href;

const memfd = { fd: 0, label: 'ram0 file' };
const RAM = requestOf(0x0, 0xa0000, { region: 'ram0', mappable: memfd });
const ROM = requestOf(0xfffc0000, 0x1_0000_0000, {
  region: 'bios',
  writable: false,
  mappable: memfd,
  fileOffset: 0x40000n,
});
const BAR = requestOf(0xe000_0000, 0xe000_1000, { region: 'bar', type: 'device', mappable: memfd });
const PRIVATE = requestOf(0x1_0000_0000, 0x1_0000_1000, { region: 'private', hostVa: { address: 0x7f00_0000_0000n } });

/** A target that writes to a list, and the list. */
function logged(format?: 'text' | 'json', name?: string): { readonly target: LoggingTarget; readonly lines: string[] } {
  const lines: string[] = [];
  const target = new LoggingTarget({
    write: (line) => lines.push(line),
    ...(format === undefined ? {} : { format }),
    ...(name === undefined ? {} : { name }),
  });
  return { target, lines };
}

describe('LoggingTarget', () => {
  it('writes the lines of the JSON replay, key by key in order', () => {
    const { target, lines } = logged('json', 'soft');
    target.mapDma(RAM);
    target.mapDma(ROM);
    target.mapDma(BAR);
    target.mapDma(PRIVATE);
    target.unmapDma(range(0x0, 0xa0000));
    expect(lines).to.deep.equal([
      '{"target":"soft","op":"map","range":"0x0-0xa0000","region":"ram0","type":"ram","writable":true,"fileOffset":"0x0"}',
      '{"target":"soft","op":"map","range":"0xfffc0000-0x100000000","region":"bios","type":"ram","writable":false,"fileOffset":"0x40000"}',
      '{"target":"soft","op":"map","range":"0xe0000000-0xe0001000","region":"bar","type":"device","writable":true,"fileOffset":"0x0"}',
      '{"target":"soft","op":"map","range":"0x100000000-0x100001000","region":"private","type":"ram","writable":true,"fileOffset":"0x0"}',
      '{"target":"soft","op":"unmap","range":"0x0-0xa0000"}',
    ]);
  });

  it('writes JSON that is one line, whatever a region is called', () => {
    const { target, lines } = logged('json');
    const region = 'a "quoted"\nname\u2028';
    target.mapDma({ ...RAM, region });
    expect(lines).to.have.length(1);
    expect(lines[0]).not.to.contain('\n');
    expect(JSON.parse(lines[0] ?? '')).to.include({ target: 'log', region });
  });

  it('writes lines for people when nothing else is said', () => {
    const { target, lines } = logged();
    target.mapDma(RAM);
    target.mapDma(ROM);
    target.mapDma(BAR);
    target.mapDma(PRIVATE);
    target.unmapDma(range(0x0, 0xa0000));
    expect(lines).to.deep.equal([
      'log: map   0x0-0xa0000 rw ram0, ram0 file+0x0',
      'log: map   0xfffc0000-0x100000000 r  bios, ram0 file+0x40000',
      'log: map   0xe0000000-0xe0001000 rw device bar, ram0 file+0x0',
      'log: map   0x100000000-0x100001000 rw private, private memory',
      'log: unmap 0x0-0xa0000',
    ]);
  });

  it('writes text that is one line, whatever a region or a file is called', () => {
    const { target, lines } = logged('text', 'audit\n');
    target.mapDma({ ...RAM, region: 'a\nb\r\u2028', mappable: { fd: 0, label: '\u001b[2J\u009b' } });
    target.unmapDma(range(0x0, 0xa0000));
    expect(lines).to.deep.equal([
      'audit\\n: map   0x0-0xa0000 rw a\\nb\\r\\u2028, \\u001b[2J\\u009b+0x0',
      'audit\\n: unmap 0x0-0xa0000',
    ]);
  });

  it('is called log, or as it is told', () => {
    expect(new LoggingTarget().name).to.equal('log');
    expect(logged('text', 'audit').target.name).to.equal('audit');
  });

  for (const [what, options] of [
    ['a name that is no text', { name: 1 }],
    ['a write that is no function', { write: 'stdout' }],
    ['an unknown format', { format: 'xml' }],
  ] as const) {
    it(`refuses ${what}, and says what it takes`, () => {
      expect(() => new LoggingTarget(options as never)).to.throw(TypeError, /'text' \| 'json'/);
    });
  }

  it('refuses options that are none', () => {
    expect(() => new LoggingTarget(null as never)).to.throw(
      TypeError,
      'the options of LoggingTarget: an object is needed',
    );
  });

  for (const [what, call] of [
    ['a map of nothing', (target) => target.mapDma(undefined as never)],
    ['a map without a range', (target) => target.mapDma({ ...RAM, range: undefined as never })],
    ['a map whose range is text', (target) => target.mapDma({ ...RAM, range: '0x0-0xa0000' as never })],
    ['a map without a file offset', (target) => target.mapDma({ ...RAM, fileOffset: undefined as never })],
    ['an unmap of nothing', (target) => target.unmapDma(undefined as never)],
    ['an unmap of text', (target) => target.unmapDma('0x0-0xa0000' as never)],
  ] as readonly (readonly [string, (target: LoggingTarget) => void])[]) {
    it(`refuses ${what}, says what is wrong, and writes nothing`, () => {
      for (const format of ['text', 'json'] as const) {
        const { target, lines } = logged(format);
        expect(() => call(target)).to.throw(TypeError, /range of a request|a map request is|fileOffset/u);
        expect(lines).to.deep.equal([]);
      }
    });
  }

  it('fails the call when its write throws, and the next call works', async () => {
    const lines: string[] = [];
    let isFull = true;
    const target = new LoggingTarget({
      write: (line) => {
        if (isFull) {
          throw Object.assign(new Error('disk full'), { code: 'ENOSPC' });
        }
        lines.push(line);
      },
    });
    expect(() => target.mapDma(RAM)).to.throw('disk full');
    expect(() => target.unmapDma(range(0x0, 0x1000))).to.throw('disk full');

    await using manager = new RegionManager();
    await manager.attach(target);
    const region = await manager.addRegion({ name: 'ram', range: range(0x0, 0x1000), type: 'ram' });
    await region.map({ writable: true });
    const mapping = {
      rangeInRegion: range(0x0, 0x1000),
      backing: { mappable: memfd, fileOffset: 0n },
      writable: true,
    };
    const failure = await region.addMapping(mapping).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure).to.include({ name: 'DmaMapError', code: 'ENOSPC', target: 'log' });
    isFull = false;
    await region.addMapping(mapping);
    expect(lines).to.deep.equal(['log: map   0x0-0x1000 rw ram, ram0 file+0x0']);
  });

  it('writes to standard output when it is not told where', function () {
    this.timeout(60_000);
    const program = `
      import { LoggingTarget } from ${JSON.stringify(INDEX)};
      import { MemoryRange } from ${JSON.stringify(STREAMS)};
      const target = new LoggingTarget();
      target.unmapDma(MemoryRange.of(0, 0x1000));
      target.unmapDma(MemoryRange.of(0x1000, 0x2000));`;
    const output = execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
    expect(output).to.equal('log: unmap 0x0-0x1000\nlog: unmap 0x1000-0x2000\n');
  });

  it('needs neither a VA nor a file', () => {
    const target: DmaTarget = new LoggingTarget();
    expect([target.needsVa, target.needsFd, target.unmapShape]).to.deep.equal([undefined, undefined, undefined]);
  });
});

describe('a call as a line', () => {
  it('carries the code of its error last, when it failed', () => {
    const unmap = { op: 'unmap', target: 'soft', range: range(0, 0x1000), failed: 'EINVAL' } as const;
    const map = { op: 'map', target: 'soft', request: requestOf(0, 0x1000), failed: 'ENOSPC' } as const;
    expect(callToJson(unmap)).to.equal('{"target":"soft","op":"unmap","range":"0x0-0x1000","failed":"EINVAL"}');
    expect(callToJson(map)).to.equal(
      '{"target":"soft","op":"map","range":"0x0-0x1000","region":"ram","type":"ram","writable":true,"fileOffset":"0x0","failed":"ENOSPC"}',
    );
    expect(callToText(unmap)).to.equal('soft: unmap 0x0-0x1000 FAILED EINVAL');
    expect(callToText(map)).to.equal('soft: map   0x0-0x1000 rw ram, private memory FAILED ENOSPC');
  });
});
