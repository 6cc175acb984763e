import { expect } from 'chai';
import { inspect } from 'node:util';
import type { Observable } from 'rxjs';
import * as binding from '../../binding/index.js';
import * as looking from '../../inspect/index.js';
import * as streams from '../../streams/index.js';
import {
  DmaError,
  DmaFault,
  DmaMapError,
  MemoryRange,
  RegionManager,
  type MemoryMapSnapshot,
  type RegionEdit,
} from '../../streams/index.js';
import * as targets from '../../targets/index.js';
import * as testing from '../../testing/index.js';
import { addRegion, mapping, range } from './support/phrases.js';

const INSPECT = Symbol.for('nodejs.util.inspect.custom');

type Class = new (...args: never[]) => object;

/** All classes that the entries of the package export. */
const CLASSES: readonly (readonly [string, Class])[] = Object.entries({
  streams,
  binding,
  targets,
  testing,
  looking,
}).flatMap(([, entry]) =>
  Object.entries(entry).filter((pair): pair is [string, Class] =>
    /^class\b/.test(Function.prototype.toString.call(pair[1])),
  ),
);

function has(type: Class, key: string | symbol): boolean {
  return typeof (type.prototype as Record<string | symbol, unknown>)[key] === 'function';
}

/** What an object prints, and its JSON. Fails if one of them throws, or has a circle. */
function shown(value: object): readonly [string, unknown] {
  return [inspect(value), JSON.parse(JSON.stringify(value))];
}

describe('every public class', () => {
  it('is found', () => {
    expect(CLASSES.map(([name]) => name)).to.include.members([
      'RegionManager',
      'Memfd',
      'KvmTarget',
      'RecordingTarget',
      'DmaFault',
    ]);
    expect(CLASSES.length).to.be.at.least(30);
  });

  for (const [name, type] of CLASSES) {
    it(`${name} has a toJSON, and prints itself`, () => {
      expect(has(type, 'toJSON'), 'toJSON').to.equal(true);
      expect(has(type, INSPECT) || type.prototype instanceof Error, 'console.log').to.equal(true);
    });

    it(`${name}: an object that cannot be read is printed without an error`, () => {
      const broken = Object.create(type.prototype as object) as object;
      if (!(broken instanceof Error) && !(broken instanceof MemoryRange)) {
        expect(inspect(broken)).to.be.a('string');
        expect(JSON.stringify(broken)).to.be.a('string');
      }
    });
  }
});

describe('what is printed, and written as JSON', () => {
  it('of a manager, its regions and attachments', async () => {
    const manager = new RegionManager();
    const attachment = await manager.attach(new testing.RecordingTarget());
    let editing: RegionEdit | undefined;
    const region = await addRegion(manager, 0x0, 0x10000, {
      mappings: [mapping(0x0, 0x1000), mapping(0x4000, 0x6000)],
    });
    await manager.transaction((edit) => {
      editing = edit;
      edit.addRegion({ name: 'hidden', range: range(0x20000, 0x21000), type: 'device' });
      expect(shown(edit)[1]).to.deep.equal({ edits: ['region-added hidden'] });
    });
    const [text, json] = shown(manager);
    expect(text).to.match(/^RegionManager \{ *\n? *generation: 1,/);
    expect(text)
      .to.contain('Region "hidden" 0x20000-0x21000')
      .and.match(/Attachment \{\s+target: 'T'/);
    expect(json).to.deep.include({ generation: 1 });
    expect(shown(region)[1]).to.deep.equal({
      name: 'ram',
      range: '0x0-0x10000',
      priority: 0,
      type: 'ram',
      active: true,
      mapped: { writable: true },
      mappings: 2,
      removed: false,
    });
    const expected = { target: 'T', phase: 'attached', pending: false, held: 2, stuck: 0, missing: 0 };
    expect(shown(attachment)[1]).to.deep.equal(expected);
    expect(shown(attachment)[0]).to.match(/^Attachment \{\s+target:/);
    await manager.close();
    expect(shown(attachment)[1]).to.deep.equal({ ...expected, phase: 'gone', held: 0 });
    for (const closed of [manager, region, editing as object]) {
      shown(closed);
    }
  });

  it('of change sets, mappings, snapshots, shareable memory, events and findings', async () => {
    const manager = new RegionManager();
    const values: object[] = [];
    const all: readonly Observable<object>[] = [
      manager.changes(),
      manager.events$,
      manager.shareable(),
      manager.attachments$,
    ];
    for (const stream of all) {
      stream.subscribe((value: object) => values.push(value));
    }
    const target = new testing.RecordingTarget();
    await manager.attach((changes$) => {
      changes$.subscribe((set) => values.push(set));
      return changes$.pipe(streams.toTarget(target));
    });
    await manager.transaction((edit) => {
      const region = edit.addRegion({ name: 'ram', range: range(0x0, 0x10000), type: 'ram' });
      edit.addMapping(region, { ...mapping(0x0, 0x4000), granule: 0x2000n });
      edit.map(region, { writable: true });
    });
    const snapshot: MemoryMapSnapshot = manager.snapshot();
    values.push(snapshot, ...(manager.attachments[0]?.ledger() ?? []), manager.regions[0]?.activeMappings ?? []);
    for (const value of values) {
      shown(value);
    }
    expect(shown(snapshot)[1]).to.deep.include({
      mappings: [
        {
          range: '0x0-0x2000',
          region: 'ram',
          type: 'ram',
          writable: true,
          backing: { mappable: 'file', fileOffset: '0x0' },
        },
        {
          range: '0x2000-0x4000',
          region: 'ram',
          type: 'ram',
          writable: true,
          backing: { mappable: 'file', fileOffset: '0x2000' },
        },
      ],
    });
    await manager.close();
  });

  it('of errors: all properties, and causes, also in a circle', () => {
    const cause = new Error('outer', { cause: 'something' });
    const at = { target: 'a', range: range(0x0, 0x1000) };
    const error = new DmaMapError('failed', { code: 'ENOSPC', hint: 'less', cause, ...at }, { undone: [at] });
    expect(shown(error)[1]).to.deep.equal({
      name: 'DmaMapError',
      message: 'ENOSPC: failed, 0x0-0x1000 (target "a")',
      code: 'ENOSPC',
      errno: -28,
      target: 'a',
      range: '0x0-0x1000',
      hint: 'less',
      undone: [{ target: 'a', range: '0x0-0x1000' }],
      missing: [],
      stuck: [],
      cause: { name: 'Error', message: 'outer', cause: 'something that is not an error was thrown: something' },
    });
    expect(shown(new DmaFault('fault', 0x1234n, 'read'))[1]).to.include({ iova: '0x1234', access: 'read' });
    cause.cause = cause;
    expect(JSON.stringify(error)).to.contain('"outer"');
    expect(inspect(new DmaError('x', { code: 'EIO', hint: 'look' }))).to.contain("hint: 'look'");
  });

  it('of memory and targets, open and closed, without addresses of this process', async () => {
    const memfd = binding.Memfd.create('ram', 0x10000n);
    const blocks = new binding.RamBlocks();
    const space = new binding.AddressSpace({ size: 1n << 30n });
    const event = binding.EventFd.create();
    const manager = new RegionManager({ vaMapper: blocks, hostAddresses: 'always' });
    const iommu = new targets.SoftIommuTarget({ name: 'iommu' });
    await manager.attach(iommu);
    await addRegion(manager, 0x0, 0x1000, { mappings: [mapping(0x0, 0x1000, { mappable: memfd })] });
    expect(shown(memfd)).to.deep.equal([
      "Memfd { label: 'ram', size: '0x10000', closed: false }",
      { label: 'ram', size: '0x10000', closed: false },
    ]);
    expect(shown(blocks)[0]).to.match(/^RamBlocks \{/);
    expect(shown(iommu)[1]).to.include({ name: 'iommu', entries: 1 });
    const addresses: object[] = [];
    await manager.attach((changes$) => {
      changes$.subscribe(({ maps }) => addresses.push(...maps));
      return changes$.pipe(
        streams.ensureMapped(blocks),
        streams.toTarget(new targets.LoggingTarget({ write: () => undefined })),
      );
    });
    expect(shown(iommu.mappedRanges())[1]).to.deep.equal(['0x0-0x1000']);
    await manager.close();
    for (const one of [memfd, blocks, space, event]) {
      const open = shown(one);
      one.close();
      expect(shown(one)[1]).to.deep.equal({ ...(open[1] as object), closed: true });
    }
    for (const target of [
      iommu,
      new targets.LoggingTarget(),
      new testing.FakeVaMapper(),
      new testing.FakeMappable('f'),
    ]) {
      expect(shown(target)[0]).to.match(new RegExp(`^${target.constructor.name} \\{`));
    }
  });

  it('is limited by the depth of console.log', () => {
    const target = new testing.RecordingTarget();
    expect(inspect({ a: { b: { c: { target } } } }, { depth: 2 })).to.contain('c: [Object]');
    expect(inspect({ a: target }, { depth: 0 })).to.contain('a: RecordingTarget { … }');
  });
});
