import { expect } from 'chai';
import { examine } from '../../../cli/doctor/examine.js';
import { readiness } from '../../../cli/doctor/readiness.js';
import type { Access, DoctorFacts, IommuGroupFacts } from '../../../cli/doctor/report.js';
import { check, commandsOf, draw, factsOf, OPENS } from './facts.js';
import { FakeMachine } from './fake-machine.js';

describe('the doctor', () => {
  let machine: FakeMachine;
  beforeEach(() => {
    machine = new FakeMachine();
  });
  afterEach(() => {
    machine[Symbol.dispose]();
  });

  it('finds nothing where there is nothing, and says so without failing', async () => {
    const facts = await examine(machine.roots);
    expect(facts.iommu).to.deep.include({ units: [], groups: [], ungrouped: [] });
    expect(facts).to.deep.include({ hugePages: [], maxMapCount: null });
    expect(facts.vfio.file.access).to.equal('missing');
    expect(check(facts, 'IOMMU').state).to.equal('fails');
    expect(check(facts, 'max_map_count').says).to.match(/^unknown/);
    expect(draw(facts).at(-1)).to.match(/Software IOMMUs( and KVM)? work/);
  });

  it('finds devices that are ready: bound, in a group that is free, in files that can be opened', async () => {
    machine.device('0000:00:04.0', { group: 3, driver: 'vfio-pci', vfioNumber: 0, id: ['0x1234', '0x11e8'] });
    machine.device('0000:00:05.0', { group: 4, driver: 'vfio-pci', vfioNumber: 1 });
    machine.device('0000:00:1f.0', { class: '0x060100' });
    machine.file('sys', 'class/iommu/dmar0/x');
    for (const path of ['vfio/3', 'vfio/4', 'vfio/devices/vfio0']) {
      machine.file('dev', path);
    }
    const facts = await factsOf(machine);
    expect(readiness(facts)).to.deep.include({ type1: ['0000:00:04.0', '0000:00:05.0'], iommufd: ['0000:00:04.0'] });
    expect(facts.iommu.groups[0]?.devices[0]).to.deep.include({ id: '1234:11e8', kind: 'network', bound: true });
    expect(facts.iommu.ungrouped[0]).to.deep.include({ address: '0000:00:1f.0', kind: 'bridge', driver: null });
    expect(check(facts, 'IOMMU').says).to.equal('on; dmar0: 2 device groups');
    expect(check(facts, 'devices')).to.deep.include({ state: 'works', cures: [] });
    expect(check(facts, 'devices').says).to.equal('2 of 3 PCI devices bound to vfio-pci, ready for use');
  });

  it('names the driver that prevents a group from being assigned, with the commands that take it out', async () => {
    machine.device('0000:01:00.0', { group: 7, driver: 'vfio-pci', vfioNumber: 0 });
    machine.device('0000:01:00.1', { group: 7, driver: 'snd_hda_intel', class: '0x040300' });
    machine.file('dev', 'vfio/7');
    const facts = await factsOf(machine);
    const found = check(facts, 'devices');
    expect(found.state).to.equal('fails');
    expect(found.cures[0]?.says).to.contain('Group 7').and.contain('0000:01:00.1 (multimedia), driver snd_hda_intel');
    expect(commandsOf(found)).to.deep.equal(['npx dma-streams bind --group 0000:01:00.0']);
    expect(readiness(facts).type1).to.deep.equal([]);
  });

  it('gives away by name only what has no driver', async () => {
    machine.device('0000:00:02.0', { group: 1, driver: 'nvme', class: '0x010802' });
    const onlyInUse = check(await factsOf(machine), 'devices');
    expect(onlyInUse).to.include({ state: 'fails', says: 'none of 1 PCI device is bound to vfio-pci' });
    expect(commandsOf(onlyInUse)).to.deep.equal(['npx dma-streams bind ADDRESS']);

    machine.device('0000:00:06.0', { group: 2 });
    const idle = check(await factsOf(machine), 'devices');
    expect(commandsOf(idle)).to.deep.equal(['npx dma-streams bind 0000:00:06.0']);
  });

  it('tells how to switch the IOMMU on: by kernel command line, or by the monitor of a virtual machine', async () => {
    machine.file('proc', 'cpuinfo', 'vendor_id : GenuineIntel\nflags : fpu vme\n');
    expect(commandsOf(check(await factsOf(machine), 'IOMMU')).join('\n')).to.contain('intel_iommu=on');
    machine.file('proc', 'cpuinfo', 'vendor_id : AuthenticAMD\nflags : fpu hypervisor\n');
    expect(commandsOf(check(await factsOf(machine), 'IOMMU')).join('\n')).to.contain('-device intel-iommu');
  });

  it('looks at the limits, with the commands that raise them', async () => {
    machine.file('proc', 'sys/vm/max_map_count', '1000\n');
    machine.file('sys', 'kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages', '0\n');
    machine.file('sys', 'kernel/mm/hugepages/hugepages-2048kB/nr_hugepages', '0\n');
    machine.file('sys', 'module/vfio_iommu_type1/parameters/dma_entry_limit', '65535\n');
    const small = { limit: 8 << 20, capIpcLock: false, locked: 4096, pinned: 0 };
    const facts = { ...(await factsOf(machine)), lockedMemory: small };
    expect(check(facts, 'VFIO type1').says).to.contain('65,535 mappings');
    expect(check(facts, 'max_map_count')).to.deep.include({
      says: '1,000 host mappings per process, below the default',
      cures: [
        {
          says: 'An AddressSpace needs one host mapping for each DMA mapping, RamBlocks one for each file. To allow more:',
          commands: ['sysctl vm.max_map_count=65530'],
          root: true,
        },
      ],
    });
    expect(commandsOf(check(facts, 'huge pages'))).to.deep.equal([
      'echo 512 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages',
    ]);
    expect(check(facts, 'locked memory')).to.include({ state: 'limited' });
    expect(check(facts, 'locked memory').says).to.equal('limit 8 MiB of device-accessible memory; 4 KiB in use');
    expect(commandsOf(check(facts, 'locked memory')).join()).to.contain('memlock unlimited');

    machine.file('sys', 'kernel/mm/hugepages/hugepages-2048kB/nr_hugepages', '8\n');
    machine.file('sys', 'kernel/mm/hugepages/hugepages-2048kB/free_hugepages', '3\n');
    expect(check(await factsOf(machine), 'huge pages')).to.include({ state: 'works', says: '3 of 8 free, 2 MiB each' });
  });

  it('says whether KVM runs a guest, and if not, why, and what to do', async () => {
    const facts = await factsOf(machine);
    const runs: DoctorFacts = { ...facts, kvm: { ...facts.kvm, runs: OPENS, slots: 32_764 } };
    expect(check(runs, 'KVM')).to.deep.include({
      state: 'works',
      says: `${machine.roots.dev}/kvm opens, and a guest ran; 32,764 memory slots per virtual machine`,
      cures: [],
    });
    expect(readiness(runs).kvm).to.equal(true);
    expect(draw(runs).at(-1)).to.contain('Software IOMMUs and KVM work.');
    const failed = {
      works: false,
      code: 'ENOENT',
      message: 'cannot open /dev/kvm',
      hint: 'As root: modprobe',
    } as const;
    const fails: DoctorFacts = { ...facts, kvm: { ...facts.kvm, runs: failed, slots: null } };
    expect(check(fails, 'KVM')).to.include({ state: 'fails', says: 'cannot open /dev/kvm' });
    expect(check(fails, 'KVM').cures.map(({ says }) => says)).to.deep.equal(['As root: modprobe']);
    expect(readiness(fails).kvm).to.equal(false);
    expect(draw(fails).at(-1)).to.contain('Software IOMMUs work.');
  });

  it('takes odd files for no answer', async () => {
    machine.file('proc', 'sys/vm/max_map_count', 'many\n');
    machine.file('sys', 'kernel/mm/hugepages/other/nr_hugepages', '1\n');
    machine.file('sys', 'kernel/iommu_groups/not-a-group', '');
    machine.file('sys', 'bus/pci/devices/not-an-address', '');
    const facts = await factsOf(machine);
    expect(facts).to.deep.include({ maxMapCount: null, hugePages: [] });
    expect(facts.iommu).to.deep.include({ groups: [], ungrouped: [] });
  });

  describe('on a machine where files alone do not tell', () => {
    const IOMMUFD = 'iommufd';
    const TYPE1 = 'vfio_iommu_type1';
    const allow = (module: string, value: string): void => {
      machine.file('sys', `module/${module}/parameters/allow_unsafe_interrupts`, `${value}\n`);
    };

    beforeEach(() => {
      machine.device('0000:00:04.0', { group: 3, driver: 'vfio-pci', vfioNumber: 0 });
      machine.file('dev', 'vfio/3');
      machine.file('dev', 'vfio/devices/vfio0');
    });

    it('finds interrupts that are not remapped, with both ways out, for each interface by itself', async () => {
      machine.file('proc', 'interrupts', '  4:  6  0  IO-APIC   4-edge  ttyS0\n');
      allow(TYPE1, 'N');
      allow(IOMMUFD, 'N');
      const refused = await factsOf(machine);
      expect(readiness(refused)).to.deep.include({ type1: [], iommufd: [] });
      const found = check(refused, 'IOMMU');
      expect(found.state).to.equal('fails');
      expect(found.says).to.match(/interrupts are not remapped, so VFIO type1 and iommufd reject devices$/);
      expect(found.cures[0]?.says).to.contain('Switch interrupt remapping on');
      for (const module of [TYPE1, IOMMUFD]) {
        expect(commandsOf(found)).to.include(`echo Y > /sys/module/${module}/parameters/allow_unsafe_interrupts`);
      }
      expect(check(refused, 'devices')).to.include({ state: 'fails' });
      expect(draw(refused).join('\n'))
        .to.match(/0000:00:04\.0 .* interrupts$/m)
        .and.not.contain('Ready for use');

      allow(IOMMUFD, 'Y');
      const one = await factsOf(machine);
      expect(readiness(one)).to.deep.include({ type1: [], iommufd: ['0000:00:04.0'] });
      expect(check(one, 'IOMMU').says).to.match(/so VFIO type1 rejects devices$/);
      expect(commandsOf(check(one, 'IOMMU')).join('\n')).not.to.contain(`module/${IOMMUFD}/`);

      allow(TYPE1, 'Y');
      const both = await factsOf(machine);
      expect(readiness(both)).to.deep.include({ type1: ['0000:00:04.0'], iommufd: ['0000:00:04.0'] });
      expect(check(both, 'IOMMU').state).to.equal('limited');
    });

    it('takes interrupts for remapped that are, and for possible where the machine does not tell', async () => {
      machine.file('proc', 'interrupts', '  4:  6  0  IR-IO-APIC   4-edge  ttyS0\n');
      expect((await factsOf(machine)).iommu.interruptRemapping).to.equal(true);
      machine.file('proc', 'interrupts', ' 11:  6  0  GICv3  27 Level  arch_timer\n');
      const facts = await factsOf(machine);
      expect(facts.iommu.interruptRemapping).to.equal(null);
      expect(check(facts, 'IOMMU').state).to.equal('works');
      expect(readiness(facts).type1).to.deep.equal(['0000:00:04.0']);
    });

    it('finds what the firmware reserves for devices, which cannot be assigned then', async () => {
      const rows = '0x00000000bf7e2000 0x00000000bf7fffff direct\n0x00000000fee00000 0x00000000feefffff msi\n';
      machine.file('sys', 'kernel/iommu_groups/3/reserved_regions', rows);
      const facts = await factsOf(machine);
      expect(readiness(facts)).to.deep.include({ type1: [], iommufd: [] });
      expect(check(facts, 'devices').state).to.equal('fails');
      expect(check(facts, 'devices').cures[0]?.says).to.match(
        /firmware reserves 0xbf7e2000-0xbf800000 for devices of IOMMU group 3, so it cannot be assigned/,
      );
      expect(draw(facts).join('\n')).to.match(/0000:00:04\.0 .* reserved by firmware$/m);

      machine.file('sys', 'kernel/iommu_groups/3/reserved_regions', rows.replace('direct', 'direct-relaxable'));
      expect(readiness(await factsOf(machine)).type1).to.deep.equal(['0000:00:04.0']);
    });

    it('suggests no device for assignment that the firmware reserves', async () => {
      const other = new FakeMachine();
      try {
        other.device('0000:00:02.0', { group: 1 });
        other.file('sys', 'kernel/iommu_groups/1/reserved_regions', '0x0000000000001000 0x0000000000001fff direct\n');
        const only = check(await factsOf(other), 'devices');
        expect(commandsOf(only)).to.deep.equal([]);
        expect(only.cures[0]?.says).to.contain('0x1000-0x2000');
        other.device('0000:00:03.0', { group: 2 });
        expect(check(await factsOf(other), 'devices').cures[0]?.says).to.contain('0000:00:03.0');
      } finally {
        other[Symbol.dispose]();
      }
    });

    it('does not take the no-IOMMU mode of VFIO for an IOMMU', async () => {
      machine.file('sys', 'kernel/iommu_groups/3/name', 'vfio-noiommu\n');
      const facts = await factsOf(machine);
      expect(facts.iommu).to.deep.include({ groups: [], noIommuMode: ['0000:00:04.0'] });
      const found = check(facts, 'IOMMU');
      expect(found.state).to.equal('fails');
      expect(found.cures[0]?.says).to.match(/^0000:00:04\.0: .*no-IOMMU mode .* not used.*no IOMMU to program/);
      expect(readiness(facts)).to.deep.include({ type1: [], iommufd: [] });
    });

    it('tells files that a container forbids or has not got from those that belong to somebody else', async () => {
      const facts = await factsOf(machine);
      const [group] = facts.iommu.groups;
      const bound = group?.devices.map((device) => ({ ...device, file: null })) ?? [];
      const withAccess = (access: Access): DoctorFacts => ({
        ...facts,
        iommu: {
          ...facts.iommu,
          groups: [{ ...group, file: { path: '/dev/vfio/3', access }, devices: bound } as IommuGroupFacts],
        },
      });
      const saysFor = (access: Access): string =>
        check(withAccess(access), 'devices')
          .cures.map(({ says, commands }) => [says, ...commands].join(' '))
          .join(' ');
      expect(saysFor('forbidden')).to.contain('device cgroup').and.contain('--device /dev/vfio/3 ');
      expect(saysFor('missing')).to.contain('--device /dev/vfio/3 ').and.contain('devtmpfs');
      for (const access of ['forbidden', 'missing', 'denied'] as const) {
        expect(saysFor(access), access).not.to.contain('chown root');
      }
      expect(saysFor('denied')).to.contain('chown ');
    });

    it('tells how the IOMMU of an Arm machine is switched on, and nothing of x86', async () => {
      const other = new FakeMachine();
      try {
        other.file('proc', 'cpuinfo', 'processor : 0\nCPU implementer : 0x41\n');
        const { cures } = check(await factsOf(other), 'IOMMU');
        const text = cures.map(({ says, commands }) => [says, ...commands].join(' ')).join(' ');
        expect(text)
          .to.contain('SMMU')
          .and.contain('qemu-system-aarch64')
          .and.not.match(/x86|intel|VT-d/);
      } finally {
        other[Symbol.dispose]();
      }
    });
  });
});
