import { expect } from 'chai';
import { bind, type BindOptions } from '../../../cli/bind/bind.js';
import { unbind } from '../../../cli/bind/unbind.js';
import { UsageError } from '../../../cli/errors.js';
import { rejected } from '../support/rejected.js';
import { FakeKernel, Lines } from './fake-kernel.js';

const CARD = '0000:01:00.0';
const SOUND = '0000:01:00.1';
const PORT = '0000:00:01.0';

describe('dma-streams bind and unbind', () => {
  let kernel: FakeKernel;
  let out: Lines;
  beforeEach(() => {
    kernel = new FakeKernel();
    out = new Lines();
    kernel.device(CARD, { group: 7, driver: 'nvme', class: '0x010802' });
    kernel.device(SOUND, { group: 7, driver: 'snd_hda_intel', class: '0x040300' });
    kernel.device(PORT, { group: 7, driver: 'pcieport', class: '0x060400' });
  });
  afterEach(() => {
    kernel[Symbol.dispose]();
  });

  const bindIt = (word: string, options: BindOptions = {}): Promise<void> => bind(word, options, kernel, out);
  const unbindIt = (word: string, options: BindOptions = {}): Promise<void> => unbind(word, options, kernel, out);

  it('bind one device and give it back, and say what else the group needs', async () => {
    await bindIt('01:00.0');
    expect(kernel.state(CARD)).to.equal('vfio-pci, vfio-pci');
    expect(kernel.state(SOUND)).to.equal('snd_hda_intel, (null)');
    expect(out.lines).to.deep.equal([
      `${CARD} is bound to vfio-pci (before: nvme)`,
      `group 7 cannot be assigned yet, because other drivers hold ${SOUND} (snd_hda_intel); ` +
        `to bind all of it: dma-streams bind --group ${CARD}`,
    ]);
    await unbindIt('01:00.0');
    expect(kernel.state(CARD)).to.equal('nvme, (null)');
    expect(out.lines.at(-1)).to.equal(`${CARD} is given back to nvme`);
  });

  for (const [title, word, options] of [
    ['by --group', CARD, { group: true }],
    ['by its number', '7', {}],
  ] as const) {
    it(`bind a whole group ${title}, but no bridge that starts no DMA, and give it back`, async () => {
      await bindIt(word, options);
      expect([CARD, SOUND, PORT].map((address) => kernel.state(address))).to.deep.equal([
        ...['vfio-pci, vfio-pci', 'vfio-pci, vfio-pci'],
        'pcieport, (null)',
      ]);
      expect(kernel.performed.filter((command) => command.startsWith('modprobe'))).to.have.length(1);
      expect(out.lines).to.have.length(2);
      await unbindIt(word, options);
      expect([CARD, SOUND, PORT].map((address) => kernel.state(address))).to.deep.equal([
        ...['nvme, (null)', 'snd_hda_intel, (null)'],
        'pcieport, (null)',
      ]);
    });
  }

  it('load vfio-pci only where it is not loaded', async () => {
    kernel.file('sys', 'bus/pci/drivers/vfio-pci/new_id');
    await bindIt(CARD);
    expect(kernel.performed.filter((command) => command.startsWith('modprobe'))).to.deep.equal([]);
  });

  it('change nothing where nothing is to do, and succeed', async () => {
    await bindIt(CARD);
    const before = kernel.performed.length;
    await bindIt(CARD);
    await unbindIt(SOUND);
    expect(kernel.performed).to.have.length(before);
    expect(out.lines).to.include(`${CARD} is bound to vfio-pci already`);
    expect(out.lines.at(-1)).to.equal(`${SOUND} is not bound to vfio-pci: it has driver snd_hda_intel`);
  });

  it('--dry-run prints the commands that do the same, and changes nothing, also without root', async () => {
    kernel.isRoot = false;
    for (const [change, after] of [
      [bindIt, 'vfio-pci, vfio-pci'],
      [unbindIt, 'nvme, (null)'],
    ] as const) {
      out.lines.length = 0;
      const before = kernel.state(CARD);
      await change(CARD, { dryRun: true, group: true });
      expect(kernel.performed).to.deep.equal([]);
      expect(kernel.state(CARD)).to.equal(before);
      kernel.run(out.lines.filter((line) => !line.startsWith('#')).join('\n'));
      expect(kernel.state(CARD)).to.equal(after);
    }
    out.lines.length = 0;
    await unbindIt(CARD, { dryRun: true });
    expect(out.lines).to.deep.equal([`# ${CARD} is not bound to vfio-pci: nvme`]);
  });

  it('say how to become root, and change nothing', async () => {
    kernel.isRoot = false;
    const error = await rejected(bindIt(CARD));
    expect(error.message).to.match(/^nothing was changed: only root may change drivers; run sudo \S*node/);
    expect(kernel.performed).to.deep.equal([]);
  });

  it('refuse a bridge and a device without an IOMMU', async () => {
    kernel.device('0000:00:1f.0', { group: 9, driver: 'lpc_ich', class: '0x060100' });
    kernel.device('0000:00:02.0', { driver: 'i915' });
    expect((await rejected(bindIt('00:1f.0'))).message).to.equal(
      'nothing was changed: 0000:00:1f.0 is a bridge; if that does no harm, use --force',
    );
    expect((await rejected(bindIt('00:02.0', { force: true }))).message).to.contain('No IOMMU is in front of it');
    expect(kernel.performed).to.deep.equal([]);
    await bindIt('00:1f.0', { force: true });
    expect(kernel.state('0000:00:1f.0')).to.equal('vfio-pci, vfio-pci');
  });

  it('bind a device without a driver, and say so when none takes it back', async () => {
    kernel.device('0000:00:06.0', { group: 2 });
    await bindIt('00:06.0');
    expect(out.lines).to.deep.equal(['0000:00:06.0 is bound to vfio-pci (before: no driver)']);
    await unbindIt('00:06.0');
    expect(kernel.state('0000:00:06.0')).to.equal('none, (null)');
    expect(out.lines.at(-1)).to.match(/^0000:00:06\.0 has no driver now.* modprobe -a "\$\(cat .*modalias\)"$/);
  });

  it('unbind removes an override that is left over without touching the driver of another', async () => {
    kernel.file('sys', `bus/pci/devices/${CARD}/driver_override`, 'vfio-pci\n');
    await unbindIt(CARD);
    expect(kernel.state(CARD)).to.equal('nvme, (null)');
    expect(kernel.performed.some((command) => command.endsWith('/unbind'))).to.equal(false);
  });

  it('unbind refuses what a process has open, of any device of the group, and names the process', async () => {
    await bindIt(CARD, { group: true });
    kernel.file('proc', '4321/comm', 'qemu-system-x86\n');
    kernel.link('proc', '4321/fd/17', `${kernel.roots.dev}/vfio/7`);
    for (const address of [CARD, SOUND]) {
      const error = await rejected(unbindIt(address));
      expect(error.message).to.contain(
        `nothing was changed: process 4321 (qemu-system-x86) has ${kernel.roots.dev}/vfio/7 open`,
      );
    }
    expect(kernel.state(CARD)).to.equal('vfio-pci, vfio-pci');
  });

  it('take the name of an interface or a disk, and know nothing else', async () => {
    kernel.file('sys', `bus/pci/devices/${CARD}/nvme/nvme0/nvme0n1/dev`, '259:0\n');
    kernel.link('sys', 'class/block/nvme0n1', `${kernel.roots.sys}/bus/pci/devices/${CARD}/nvme/nvme0/nvme0n1`);
    kernel.file('sys', 'class/net/lo/flags', '0x9\n');
    await bindIt('/dev/nvme0n1');
    expect(kernel.state(CARD)).to.equal('vfio-pci, vfio-pci');
    for (const [word, says] of [
      ['lo', /^"lo" is not a PCI device, nor part of one; this machine has 0000:00:01\.0, /],
      ['eth7', /^"eth7" is neither a PCI address .*; this machine has /],
      ['../../etc', /neither/],
      ['00:09.0', /^there is no PCI device 0000:00:09\.0; this machine has 0000:00:01\.0, 0000:01:00\.0, /],
      ['8', /^there is no IOMMU group 8 with PCI devices; there are 1: 7$/],
    ] as const) {
      const error = await rejected(bindIt(word));
      expect(error, word).to.be.instanceOf(UsageError);
      expect(error.message).to.match(says);
    }
  });

  it('suggest the addresses that are most like the wanted one, where there are many', async () => {
    for (let bus = 0x10; bus < 0x30; bus++) {
      kernel.device(`0000:${bus.toString(16)}:00.0`, { group: bus });
    }
    const { message } = await rejected(bindIt('2a:00.1'));
    expect(message).to.match(/this machine has 0000:2a:00\.0, .* and 23 more$/);
  });
});
