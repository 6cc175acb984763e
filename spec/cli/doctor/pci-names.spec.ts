import { expect } from 'chai';
import { readPciNames } from '../../../cli/doctor/pci-names.js';
import { draw, factsOf } from './facts.js';
import { FakeMachine } from './fake-machine.js';

const DATABASE = [
  '# A comment',
  '1234  Technical Corp.',
  '\t1111  QEMU Virtual Video Controller',
  '\t\t1af4 1100  QEMU Virtual Machine',
  '8086  Intel Corporation',
  '\t10d3  82574L Gigabit Network Connection',
  '\t\t103c 1785  NC112i',
  '\t2922  82801IR/IO/IH SATA Controller',
  'fffe  VMWare Inc (temporary ID)',
  'C 02  Network controller',
  '\t10d3  A class, not a device',
  '',
].join('\n');

describe('the names of PCI devices', () => {
  let machine: FakeMachine;
  beforeEach(() => {
    machine = new FakeMachine();
  });
  afterEach(() => {
    machine[Symbol.dispose]();
  });

  it('are those of vendor and device, not of cards or classes; of the vendor only where the device is unknown', () => {
    machine.file('share', 'misc/pci.ids', DATABASE);
    const ids = ['8086:10d3', '8086:2922', '1234:11e8', '1af4:1041', 'fffe:10d3', '????:????'];
    const names = readPciNames(machine.roots, ids);
    expect(names.file).to.equal(`${machine.roots.share}/misc/pci.ids`);
    expect(ids.map((id) => names.nameOf(id))).to.deep.equal([
      'Intel Corporation 82574L Gigabit Network Connection',
      'Intel Corporation 82801IR/IO/IH SATA Controller',
      'Technical Corp.',
      null,
      'VMWare Inc (temporary ID)',
      null,
    ]);
  });

  it('are found where Debian, Fedora and pciutils put them', () => {
    for (const place of ['pci.ids', 'hwdata/pci.ids', 'misc/pci.ids']) {
      machine.file('share', place, DATABASE);
      expect(readPciNames(machine.roots, []).file).to.equal(`${machine.roots.share}/${place}`);
    }
  });

  it('stand in the table, cut to the terminal, and in the list of a narrow one', async () => {
    machine.file('share', 'hwdata/pci.ids', DATABASE);
    machine.device('0000:00:04.0', { group: 3, id: ['0x8086', '0x10d3'] });
    const facts = await factsOf(machine);
    expect(facts.iommu.groups[0]?.devices[0]?.name).to.equal('Intel Corporation 82574L Gigabit Network Connection');
    expect(draw(facts).join('\n')).to.match(
      /0000:00:04\.0 .* not bound +Intel Corporation 82574L Gigabit Network Conn/,
    );
    expect(draw(facts, 100).join('\n')).to.match(/0000:00:04\.0 .* not bound +Intel Corporation 82574L[^\n]*…\n/);
    const narrow = draw(facts, 60);
    expect(narrow).to.include('    Intel Corporation 82574L Gigabit Network Connection');
    for (const columns of [40, 60, 80, 100, 120]) {
      expect(draw(facts, columns).filter((line) => line.includes('Intel') && line.length > columns)).to.deep.equal([]);
    }
  });

  it('are missing without the database; how to get it is said once', async () => {
    machine.device('0000:00:04.0', { group: 3 });
    machine.device('0000:00:05.0', { group: 4 });
    const facts = await factsOf(machine);
    expect(facts.iommu.names).to.equal(null);
    const text = draw(facts).join('\n');
    expect(text).to.contain('0000:00:04.0').and.contain('8086:1234');
    expect(text.match(/apt install pci\.ids/g)).to.have.length(1);
    machine.file('share', 'misc/pci.ids', DATABASE);
    expect(draw(await factsOf(machine)).join('\n')).not.to.contain('apt install pci.ids');
  });

  it('never send control characters to the terminal', async () => {
    machine.file('share', 'misc/pci.ids', '8086  Evil\u001b[2J\u0007\n\t1234  de\u009bvice\u202e\u0000\r\n');
    machine.device('0000:00:04.0', { group: 3 });
    const facts = await factsOf(machine);
    expect(facts.iommu.groups[0]?.devices[0]?.name).to.contain('\u001b');
    for (const columns of [undefined, 60]) {
      const text = draw(facts, columns).join('\n');
      expect(text).to.contain('Evil?[2J? de?vice');
      expect(text).not.to.match(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    }
  });
});
