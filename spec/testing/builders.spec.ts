import { fstatSync } from 'node:fs';
import { expect } from 'chai';
import { DmaError, MemoryRange, RegionManager, type Outcome } from '../../streams/index.js';
import {
  addRam,
  FakeMappable,
  mapOf,
  outcomeText,
  RecordingTarget,
  setOf,
  setText,
  unmapOf,
} from '../../testing/index.js';

const range = MemoryRange.parse('0x1000-0x3000');

describe('builders of the test kit', () => {
  it('mapOf: writable RAM in a fake file with the addresses as offsets, from a range or its text', () => {
    const change = mapOf('0x1000-0x3000');
    expect(change).to.deep.include({ range, region: 'ram', type: 'ram', writable: true });
    expect(change.backing).to.include({ fileOffset: 0x1000n });
    expect(mapOf(range)).to.deep.equal(change);
    const options = {
      region: 'bios',
      type: 'device',
      writable: false,
      backing: 'private',
      hostVa: { address: 1n },
    } as const;
    expect(mapOf(range, options)).to.deep.equal({ range, ...options });
  });

  it('unmapOf: of one map of RAM with exactly this range, or of those in covers', () => {
    expect(unmapOf(range)).to.deep.equal({ range, region: 'ram', type: 'ram', covers: [range] });
    expect(unmapOf('0x0-0x4000', { covers: [range], region: 'bar', type: 'device' })).to.deep.equal({
      range: MemoryRange.parse('0x0-0x4000'),
      region: 'bar',
      type: 'device',
      covers: [range],
    });
  });

  it('setOf: changes, ranges and texts of ranges', () => {
    const [map, unmap] = [mapOf(range, { writable: false }), unmapOf(range)];
    expect(setOf(1)).to.deep.equal({ generation: 1, snapshot: false, unmaps: [], maps: [] });
    expect(setOf(2, { unmaps: ['0x1000-0x3000', range, unmap], maps: ['0x1000-0x3000', range, map] })).to.deep.equal({
      generation: 2,
      snapshot: false,
      unmaps: [unmap, unmap, unmap],
      maps: [mapOf(range), mapOf(range), map],
    });
    expect(setOf(3, { snapshot: true, undo: true })).to.include({ snapshot: true, undo: true });
  });

  it('setOf refuses members that it does not have, and lists that are none: the set would be empty', () => {
    expect(() => setOf(1, { map: ['0x0-0x1000'] } as never)).to.throw(TypeError, /no "map"; it has unmaps, maps/);
    expect(() => setOf(1, { maps: '0x0-0x1000' } as never)).to.throw(
      TypeError,
      "maps of a change set must be an array of ranges or changes, not '0x0-0x1000'",
    );
  });

  it('refuse a text that is not a range of pages', () => {
    for (const build of [mapOf, unmapOf, (text: string) => setOf(1, { maps: [text] })]) {
      expect(() => build('0x1000')).to.throw(RangeError, 'is not a range');
      expect(() => build('0x1000-0x1800')).to.throw(RangeError, 'page size');
    }
  });

  it('addRam: adds a region with one mapping over all of it, and maps it', async () => {
    const manager = new RegionManager();
    const target = new RecordingTarget();
    await manager.attach(target);
    const backing = { mappable: new FakeMappable('file'), fileOffset: 0x8000n };
    await addRam(manager, '0x1000-0x2000');
    const rom = await addRam(manager, '0x0-0x4000', { region: 'rom', writable: false, backing, priority: 2 });
    expect(rom).to.include({ name: 'rom', priority: 2 });
    expect(
      manager.snapshot().mappings.map(({ region, range: at, writable }) => `${region} ${at} ${writable}`),
    ).to.deep.equal(['rom 0x0-0x4000 false']);
    expect(target.heldRequests()[0]).to.deep.include({ ...backing, writable: false, region: 'rom' });
    target.checkContract();
  });
});

describe('texts of the test kit', () => {
  it('outcomeText: generation, status, and the codes of what failed and what was skipped', () => {
    const outcome: Outcome = { generation: 3, target: 'T', status: 'applied', skipped: [] };
    const error = new DmaError('full', { code: 'ENOSPC' });
    const fault = new DmaError('no page', { code: 'EFAULT' });
    expect(outcomeText(outcome)).to.equal('3 applied');
    expect(outcomeText({ ...outcome, status: 'failed', error })).to.equal('3 failed ENOSPC');
    expect(outcomeText({ ...outcome, skipped: [fault, fault] })).to.equal('3 applied skipped EFAULT skipped EFAULT');
  });

  it('setText: generation, whether it is a snapshot or an undo, and the changes in order', () => {
    expect(setText(setOf(0, { snapshot: true }))).to.equal('0 snapshot');
    expect(setText(setOf(4, { undo: true, unmaps: [range] }))).to.equal('4 undo: unmap 0x1000-0x3000');
    expect(
      setText(setOf(2, { unmaps: ['0x0-0x1000'], maps: [range, mapOf('0x4000-0x5000', { writable: false })] })),
    ).to.equal('2: unmap 0x0-0x1000, map 0x1000-0x3000 rw, map 0x4000-0x5000 ro');
  });
});

describe('FakeMappable', () => {
  it('has a label, a size if one is given, and a descriptor of its own that no file has', () => {
    const [one, other] = [new FakeMappable(), new FakeMappable('bios', 0x4000n)];
    expect(one.label).to.equal('fake');
    expect(one).not.to.have.property('size');
    expect(other).to.include({ label: 'bios', size: 0x4000n });
    expect(one.fd).not.to.equal(other.fd);
    expect(() => fstatSync(one.fd)).to.throw('EBADF');
  });

  it('has no descriptor after close', () => {
    const file = new FakeMappable('bios');
    file.close();
    expect(() => file.fd).to.throw('mappable "bios" is closed');
    file.close();
  });
});
