import { expect } from 'chai';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MARBLE_TEST } from '../../lab/install/programs.js';
import { projectRoot } from '../../lab/paths.js';
import { MAIN, type Ended } from '../cli/support/command.js';
import { UserProject } from '../support/user-project.js';

const { exports } = JSON.parse(readFileSync(`${projectRoot}package.json`, 'utf8')) as { readonly exports: object };
const ENTRIES = Object.keys(exports)
  .filter((entry) => !entry.endsWith('.json'))
  .map((entry) => `dma-streams${entry.slice(1)}`);

const FILES = {
  'entries.mjs': ENTRIES.map(
    (entry) => `console.log(Object.keys(await import('${entry}')).length > 0, '${entry}');`,
  ).join('\n'),

  'marbles.test.mjs': MARBLE_TEST,

  'targets.mjs': `
    import { openSync, readFileSync, writeFileSync } from 'node:fs';
    import { MemoryRange, RegionManager } from 'dma-streams';
    import { LoggingTarget, SoftIommuTarget } from 'dma-streams/targets';
    writeFileSync('ram', new Uint8Array(0x2000));
    const ram = { fd: openSync('ram', 'r+'), label: 'ram' };
    const manager = new RegionManager();
    const iommu = new SoftIommuTarget({ model: 'iommufd' });
    await manager.attach(iommu);
    await manager.attach(new LoggingTarget());
    const range = MemoryRange.ofLength(0, 0x2000);
    const region = await manager.addRegion({ name: 'ram', range, type: 'ram' });
    await region.addMapping({ rangeInRegion: range, backing: { mappable: ram, fileOffset: 0n }, writable: true });
    await region.map({ writable: true });
    iommu.write(0x1000n, Buffer.from('hello'));
    console.log(readFileSync('ram').subarray(0x1000, 0x1005).toString());
    await manager.close();`,

  'linux-only.mjs': `
    import { AddressSpace, EventFd, Iommufd, Kvm, Memfd, RamBlocks, VfioContainer } from 'dma-streams/binding';
    import { VhostUserConnection } from 'dma-streams/targets';
    const calls = {
      'Memfd.create': () => Memfd.create('ram', 4096n),
      'Memfd.from': () => Memfd.from(0, 'ram'),
      RamBlocks: () => new RamBlocks(),
      AddressSpace: () => new AddressSpace({ size: 4096n }),
      'VfioContainer.open': () => VfioContainer.open(),
      'EventFd.create': () => EventFd.create(),
      'Iommufd.open': () => Iommufd.open(),
      'Kvm.open': () => Kvm.open(),
      'VhostUserConnection.connect': () => VhostUserConnection.connect('/nonexistent.sock'),
    };
    for (const [name, call] of Object.entries(calls)) {
      try {
        await call();
        console.log(name, 'works');
      } catch ({ name: kind, code, message }) {
        console.log(name, kind, code, message.includes(process.platform));
      }
    }`,
};

for (const platform of ['darwin', 'win32']) {
  describe(`the package on ${platform}`, function () {
    this.timeout(60_000);
    let project: UserProject;

    before(() => {
      project = new UserProject(FILES, ['rxjs', 'mocha']);
    });

    after(() => {
      project[Symbol.dispose]();
    });

    /** Runs a program that takes this machine for another one, for which there is no addon. */
    function run(...args: readonly string[]): Promise<Ended> {
      const fake = `Object.defineProperty(process, 'platform', { value: '${platform}' })`;
      return project.run(['--import', `data:text/javascript,${encodeURIComponent(fake)}`, ...args]);
    }

    it('can be imported, every entry of it', async () => {
      const { status, stdout, stderr } = await run('entries.mjs');
      expect(status, stderr).to.equal(0);
      expect(stdout.trim().split('\n')).to.deep.equal(ENTRIES.map((entry) => `true ${entry}`));
    });

    it('tests targets in marbles', async () => {
      const { status, stdout } = await run(join('node_modules', 'mocha', 'bin', 'mocha.js'), 'marbles.test.mjs');
      expect(stdout).to.contain('1 passing');
      expect(status, stdout).to.equal(0);
    });

    it('has targets that follow a manager, and DMA to files', async () => {
      const { status, stdout, stderr } = await run('targets.mjs');
      expect(status, stderr).to.equal(0);
      expect(stdout.trim().split('\n')).to.deep.equal([
        'log: map   0x0-0x2000 rw ram, ram+0x0',
        'hello',
        'log: unmap 0x0-0x2000',
      ]);
    });

    it('says what needs Linux, with the name of the system', async () => {
      const { status, stdout, stderr } = await run('linux-only.mjs');
      expect(status, stderr).to.equal(0);
      const lines = stdout.trim().split('\n');
      expect(lines).to.have.lengthOf(9);
      expect(lines.filter((line) => !line.endsWith(' DmaError ERR_LINUX_ONLY true'))).to.deep.equal([]);
    });

    it('has a command that makes traces, and says where it cannot go on', async () => {
      const { status, stdout, stderr } = await run(MAIN, 'replay', '--demo');
      expect(status, stdout).to.equal(1);
      expect(stderr).to.match(new RegExp(`^dma-streams: ERR_LINUX_ONLY: .*Linux.*${platform}`));
      expect(await run(MAIN, '--help')).to.include({ status: 0, stderr: '' });
      writeFileSync(join(project.directory, 'iomem'), '00001000-0009ffff : System RAM\n');
      const { stdout: trace } = await run(MAIN, 'import', 'iomem', 'iomem');
      expect(trace).to.contain('System RAM');
      const { stdout: machine } = await run(MAIN, 'doctor');
      expect(machine).to.match(new RegExp(`✗ native addon +none for ${platform}-`));
    });
  });
}
