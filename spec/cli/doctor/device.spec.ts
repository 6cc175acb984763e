import { expect } from 'chai';
import { deviceReportOf, devicesToCheck, isUsable } from '../../../cli/doctor/device-report.js';
import type { Check, DeviceReport, DoctorFacts, DoctorReport } from '../../../cli/doctor/report.js';
import { drawDeviceReport } from '../../../cli/output/device-text.js';
import { terminalOf } from '../../../cli/output/terminal.js';
import { factsOf } from './facts.js';
import { FakeMachine } from './fake-machine.js';

const CARD = '0000:01:00.0';
const SOUND = '0000:01:00.1';

describe('dma-streams doctor DEVICE', () => {
  let machine: FakeMachine;
  beforeEach(() => {
    machine = new FakeMachine();
  });
  afterEach(() => {
    machine[Symbol.dispose]();
  });

  /** A machine on which a card is ready. */
  function ready(): void {
    machine.device(CARD, { group: 7, driver: 'vfio-pci', vfioNumber: 0 });
    machine.file('sys', `bus/pci/devices/${CARD}/reset_method`, 'flr bus\n');
    machine.file('dev', 'vfio/7');
    machine.file('dev', 'vfio/devices/vfio0');
  }

  async function reportOn(
    word: string,
    requirements: readonly string[] = [],
    change: (facts: DoctorFacts) => DoctorFacts = (facts) => facts,
  ): Promise<DoctorReport> {
    const facts = change(await factsOf(machine));
    return deviceReportOf(devicesToCheck(word, machine.roots), facts, requirements, machine.roots);
  }

  async function deviceOf(word: string, change?: (facts: DoctorFacts) => DoctorFacts): Promise<DeviceReport> {
    const [device, ...others] = (await reportOn(word, [], change)).devices;
    expect(others).to.deep.equal([]);
    return device as DeviceReport;
  }

  const row = ({ checks }: DeviceReport, name: string): Check => {
    const found = checks.find((check) => check.name === name);
    expect(found, name).to.not.equal(undefined);
    return found as Check;
  };
  const commands = ({ cures }: Check): readonly string[] => cures.flatMap((cure) => cure.commands);
  const draw = (report: DoctorReport, columns?: number): readonly string[] =>
    drawDeviceReport(report, terminalOf(columns === undefined ? {} : { columns }, { NO_COLOR: '1' }));

  it('finds nothing in the way of a device that is ready, by address, short address, or group', async () => {
    ready();
    for (const word of [CARD, '01:00.0', '7']) {
      const device = await deviceOf(word);
      expect(device).to.include({ address: CARD, type1: true, iommufd: true });
      expect(device.checks.filter(({ state }) => state === 'fails')).to.deep.equal([]);
      expect(row(device, 'reset').says).to.equal('flr, bus');
      expect(row(device, 'IOMMU group').says).to.equal('7, alone in it');
    }
    expect(draw(await reportOn(CARD)).at(-1)).to.equal(`✓ ${CARD} can be used through VFIO type1 and iommufd.`);
  });

  it('names the driver of one that is not bound, with the command that binds it', async () => {
    machine.device(CARD, { group: 7, driver: 'e1000e' });
    const device = await deviceOf(CARD);
    expect(isUsable(device)).to.equal(false);
    expect(row(device, 'driver')).to.include({ state: 'fails', says: 'e1000e, not vfio-pci' });
    expect(commands(row(device, 'driver'))).to.deep.equal([`npx dma-streams bind ${CARD}`]);
    expect(row(device, 'reset').state).to.equal('limited');
    expect(draw(await reportOn(CARD)).at(-1)).to.equal(`✗ ${CARD} cannot be used yet.`);
  });

  it('says what the machine uses it for before it suggests to take it away', async () => {
    machine.device(CARD, { group: 7, driver: 'e1000e' });
    machine.file('sys', `bus/pci/devices/${CARD}/net/eth0/flags`, '0x1003\n');
    machine.link('sys', 'class/net/eth0', `${machine.roots.sys}/bus/pci/devices/${CARD}/net/eth0`);
    const driver = row(await deviceOf('eth0'), 'driver');
    expect(driver.says).to.equal('e1000e, not vfio-pci; network interface eth0 is up');
    expect(commands(driver)).to.deep.equal([`npx dma-streams bind --force ${CARD}`]);
    machine.device('0000:00:1f.0', { group: 9, class: '0x060100' });
    expect(commands(row(await deviceOf('00:1f.0'), 'driver'))).to.deep.equal([]);
  });

  it('names the other devices of its group, and shows the cure of both rows once', async () => {
    machine.device(CARD, { group: 7, driver: 'e1000e' });
    machine.device(SOUND, { group: 7, driver: 'snd_hda_intel', class: '0x040300' });
    const report = await reportOn(CARD);
    const group = row(report.devices[0] as DeviceReport, 'IOMMU group');
    expect(group).to.include({ state: 'fails' });
    expect(group.says).to.equal(`7, which other drivers hold: ${SOUND} (multimedia), driver snd_hda_intel`);
    const lines = draw(report);
    expect(lines.filter((text) => text.includes('# npx dma-streams bind 7'))).to.have.length(1);
    expect(lines.join('\n')).to.contain('- driver, IOMMU group: ');
  });

  it('tells a group number about each device of the group', async () => {
    ready();
    machine.device(SOUND, { group: 7, driver: 'snd_hda_intel' });
    machine.device('0000:00:01.0', { group: 7, driver: 'pcieport', class: '0x060400' });
    const report = await reportOn('7');
    expect(report.devices.map(({ address }) => address)).to.deep.equal([CARD, SOUND]);
    expect(report.devices.map(isUsable)).to.deep.equal([false, false]);
    machine.device('0000:01:00.2', { group: 7, driver: 'nvme' });
    const text = draw(await reportOn('7'));
    expect(text.filter((line) => line.includes('# npx dma-streams bind'))).to.deep.equal([
      '      # npx dma-streams bind 7',
    ]);
    expect(draw(report).slice(-2)).to.deep.equal([CARD, SOUND].map((address) => `✗ ${address} cannot be used yet.`));
  });

  it('finds what is in the way although the device is bound: another process, the firmware, interrupts, no IOMMU', async () => {
    ready();
    machine.file('proc', '4321/comm', 'qemu-system-x86\n');
    machine.link('proc', '4321/fd/17', `${machine.roots.dev}/vfio/devices/vfio0`);
    const held = await deviceOf(CARD);
    expect(isUsable(held)).to.equal(false);
    expect(row(held, 'driver').says).to.contain('process 4321 (qemu-system-x86) has');
    machine.file('proc', 'interrupts', '  4:  6  0  IO-APIC   4-edge  ttyS0\n');
    const interrupts = row(await deviceOf(CARD), 'interrupts');
    expect(interrupts).to.include({ state: 'fails' });
    expect(interrupts.says).to.equal('not remapped, so VFIO type1 and iommufd reject devices');
    expect(commands(interrupts).join()).to.contain('allow_unsafe_interrupts');
    machine.file('sys', 'kernel/iommu_groups/7/reserved_regions', '0x0000000000001000 0x0000000000001fff direct\n');
    expect(row(await deviceOf(CARD), 'IOMMU group').says).to.equal('7, reserved by the firmware');
    machine.device('0000:00:02.0', { driver: 'i915' });
    const without = await deviceOf('00:02.0');
    expect(row(without, 'IOMMU group').says).to.equal('none: no IOMMU translates its DMA');
    expect(row(without, 'IOMMU group').cures).to.have.length(1);
    expect(row(without, 'driver').cures).to.deep.equal([]);
    expect(row(without, 'interrupts')).to.deep.include({ says: 'requires an IOMMU', cures: [] });
  });

  it('tells each interface by itself: what cannot be opened, and how to get to it', async () => {
    ready();
    const denied = (facts: DoctorFacts): DoctorFacts => ({
      ...facts,
      iommu: {
        ...facts.iommu,
        groups: facts.iommu.groups.map((group) => ({ ...group, file: { path: '/dev/vfio/7', access: 'forbidden' } })),
      },
    });
    const device = await deviceOf(CARD, denied);
    expect(device).to.include({ type1: false, iommufd: true });
    expect(row(device, 'VFIO type1').says).to.equal('/dev/vfio/7 cannot be opened by this user');
    expect(row(device, 'VFIO type1').cures[0]?.says).to.contain('device cgroup');
    const both = (facts: DoctorFacts): DoctorFacts => ({
      ...facts,
      iommu: {
        ...facts.iommu,
        groups: facts.iommu.groups.map((group) => ({
          ...group,
          file: { path: '/dev/vfio/7', access: 'forbidden' },
          devices: group.devices.map((one) => ({
            ...one,
            file: { path: '/dev/vfio/devices/vfio0', access: 'forbidden' },
          })),
        })),
      },
    });
    const shown = draw(await reportOn(CARD, [], both)).filter((text) => text.includes('device cgroup'));
    expect(shown).to.have.length(1);
    expect(shown[0]).to.contain('- VFIO type1, iommufd: ');
    const noIommufd = (facts: DoctorFacts): DoctorFacts => ({
      ...facts,
      iommufd: {
        ...facts.iommufd,
        open: { works: false, code: 'ENOENT', message: 'cannot open /dev/iommu', hint: 'As root: modprobe iommufd' },
      },
    });
    const old = await deviceOf(CARD, noIommufd);
    expect(old).to.include({ type1: true, iommufd: false });
    expect(row(old, 'iommufd').says).to.equal('cannot open /dev/iommu');
    const small = { limit: 8 << 20, capIpcLock: false, locked: 0, pinned: 0 };
    const limited = await deviceOf(CARD, (facts) => ({ ...facts, lockedMemory: small }));
    expect(row(limited, 'locked memory').state).to.equal('limited');
    expect(isUsable(limited)).to.equal(true);
  });

  it('asks requirements of the device: of all of them, for a group', async () => {
    ready();
    machine.device('0000:02:00.0', { group: 8, driver: 'nvme' });
    const met = async (word: string): Promise<readonly boolean[]> =>
      (await reportOn(word, ['vfio', 'devices', 'software'])).required.map((one) => one.met);
    expect(await met(CARD)).to.deep.equal([true, true, true]);
    expect(await met('02:00.0')).to.deep.equal([false, false, true]);
    machine.device(SOUND, { group: 7 });
    expect(await met(CARD)).to.deep.equal([true, true, true]);
    expect(await met('7')).to.deep.equal([false, false, true]);
  });

  it('fits into 40 columns, and sends no control characters', async () => {
    machine.file('share', 'misc/pci.ids', `8086  Evil\u001b[2J Corporation ${'of a long name '.repeat(4)}\n`);
    ready();
    machine.device(SOUND, { group: 7, driver: 'snd_hda_intel' });
    const lines = draw(await reportOn('7'), 40);
    // Titles are folded when they are written, as all lines are.
    expect(lines.filter((text) => text.length > 40 && !text.startsWith('0000:'))).to.deep.equal([]);
    expect(lines.join('\n')).not.to.match(/[\u0000-\u0009\u000b-\u001f]/);
  });
});
