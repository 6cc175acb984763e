import { expect } from 'chai';
import { publicHovers, type Hover } from './support/hover-text.js';

/** The classes and functions that a user begins with: their description has a program. */
const MAIN = [
  'RegionManager',
  'RegionManager.addRam',
  'RegionManager.attachments$',
  'MemoryRange',
  'Attachment',
  'DmaError',
  'toTarget',
  'ensureMapped',
  'fanOut',
  'filterMaps',
  'withTimeout',
  'retryMaps',
  'forwardTarget',
  'Memfd',
  'RamBlocks',
  'AddressSpace',
  'SoftIommuTarget',
  'LoggingTarget',
  'VfioType1Target',
  'IommufdTarget',
  'KvmTarget',
  'VhostUserConnection',
  'AssignedDevices',
  'QemuSource',
  'serveInspector',
  'instrument',
  'RecordingTarget',
  'FakeVaMapper',
  'marbleTest',
  'checkTarget',
];

describe('What an editor shows', function () {
  this.timeout(60_000);
  let hovers: readonly Hover[];

  before(() => {
    hovers = publicHovers();
  });

  it('is a sentence for each export, and for each member of a class, an interface or an object type', () => {
    const silent = hovers.filter(({ text, tags }) => text === '' && tags.length === 0);
    expect(silent.map(({ name, file }) => `${name} (${file})`)).to.deep.equal([]);
    // It does look at them: members, also those of object types, and static ones.
    const names = hovers.map(({ name }) => name);
    expect(names).to.include.members(['DmaTarget.mapDma', 'MemoryRange.of', 'RegionEvent.params', 'Memfd.create']);
    expect(names.length).to.be.above(700);
  });

  it('has a program for what a user begins with', () => {
    const shown = hovers.filter(({ tags }) => tags.includes('example')).map(({ name }) => name);
    expect(shown).to.include.members(MAIN);
  });

  it('says of each stream whether it is hot, what a late subscriber gets, when it completes, and whether it errors', () => {
    const streams = hovers.filter(({ name, type }) => /\.\w+/.test(name) && /^(?:\(\) => )?Observable</.test(type));
    const given = ['InspectorOptions.status$', 'InspectorOptions.problems$']; // The caller makes them.
    const described = streams.filter(({ name }) => !given.includes(name));
    expect(described.map(({ name }) => name)).to.include.members([
      'RegionManager.events$',
      'RegionManager.warnings$',
      'RegionManager.attachments$',
      'RegionManager.changes',
      'RegionManager.shareable',
      'Attachment.outcomes$',
      'DescriptorSocket.messages$',
      'DescriptorListener.connections$',
      'EventFd.signals$',
      'VhostUserConnection.closed$',
      'QemuSource.sections$',
      'QemuSource.connected$',
      'FailingFake.calls$',
    ]);
    for (const { name, text } of described) {
      expect(text, name).to.match(/^(?:Hot|Cold)\b/);
      expect(text, name).to.match(/[Cc]ompletes/);
      expect(text, name).to.match(/[Ee]rrors/);
      expect(text, name).to.match(/\blate\b|\bfirst subscriber\b|within `subscribe`/);
    }
  });
});
