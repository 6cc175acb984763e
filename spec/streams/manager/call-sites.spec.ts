import { expect } from 'chai';
import { RegionManager, type DmaTarget, type Region } from '../../../streams/index.js';
import { UserProject } from '../../support/user-project.js';
import { FILE, gate, mapping, range, rejectionOf } from '../support/phrases.js';

/** A target that answers in a later turn, and refuses every map. */
const REFUSING: DmaTarget = {
  name: 'T',
  mapDma: () => Promise.reject(new Error('refused')),
  unmapDma: () => Promise.resolve(),
};

/** The lines of a stack that are in this file. */
function linesHere(error: Error): string[] {
  return (error.stack ?? '').split('\n').filter((line) => line.includes('call-sites.spec'));
}

const ram = { name: 'ram', range: range(0x0, 0x1000), backing: FILE };

describe('The error of a command says where it was given', () => {
  let manager: RegionManager;

  beforeEach(() => {
    manager = new RegionManager({ callSites: true });
  });

  it('when it is refused at once, however deep in the library', async () => {
    const region = await new RegionManager().addRegion({ name: ram.name, range: ram.range, type: 'ram' });
    const errors = await Promise.all(
      [
        function addRegionHere(): Promise<unknown> {
          return new RegionManager().addRegion({ name: ram.name, range: '0x0' as never, type: 'ram' });
        },
        function addMappingHere(): Promise<unknown> {
          return region.addMapping({ ...mapping(0x0, 0x1000), granule: 1n });
        },
        function attachHere(): Promise<unknown> {
          return new RegionManager().attach({} as never);
        },
      ].map(async (call) => ({ error: await rejectionOf(call()), name: call.name })),
    );
    for (const { error, name } of errors) {
      expect(linesHere(error)[0]).to.match(new RegExp(`^    at ${name} `));
    }
  });

  it('when a target refuses it later', async () => {
    await manager.attach({ ...REFUSING });
    function addRamHere(): Promise<Region> {
      return manager.addRam(ram);
    }
    const error = await rejectionOf(addRamHere());
    expect(error.name).to.equal('DmaMapError');
    expect(linesHere(error)[0]).to.match(/^ {4}at async addRamHere /);
  });

  it('when it is refused after it has waited for another one', async () => {
    const { opened, open } = gate();
    await manager.attach({ ...REFUSING, mapDma: () => opened });
    const first = manager.addRam(ram);
    function addRegionHere(): Promise<Region> {
      return manager.addRegion({ range: ram.range, name: 7 as never, type: 'ram' });
    }
    const refused = rejectionOf(addRegionHere());
    open();
    await first;
    expect(linesHere(await refused)[0]).to.match(/^ {4}at async addRegionHere /);
  });

  it('once, also if the same error is thrown again', async () => {
    const error = new Error('mine');
    const give = (): Promise<unknown> =>
      manager.transaction(() => {
        throw error;
      });
    await rejectionOf(give());
    const { stack } = error;
    await rejectionOf(give());
    expect(error.stack).to.equal(stack);
    expect(
      await rejectionOf(
        manager.transaction(() => {
          throw Object.freeze(new Error('frozen'));
        }),
      ),
    ).to.include({ message: 'frozen' });
  });

  it('or, without the option, how to find out', async () => {
    manager = new RegionManager();
    await manager.attach({ ...REFUSING });
    const error = await rejectionOf(manager.addRam(ram));
    expect(linesHere(error)).to.deep.equal([]);
    expect(error.stack).to.match(/at async a command .* new RegionManager\(\{ callSites: true \}\) shows it$/);
  });

  it('in what Node.js prints when nobody waits for the promise', async function () {
    this.timeout(60_000);
    const lines = [
      "import { MemoryRange, RegionManager } from 'dma-streams';",
      "import { FakeMappable } from 'dma-streams/testing';",
      'const manager = new RegionManager({ callSites: true });',
      "const refusing = { name: 'T', mapDma: () => Promise.reject(new Error('no')), unmapDma: () => Promise.resolve() };",
      'await manager.attach(refusing);',
      'const range = MemoryRange.of(0, 0x1000);',
      "manager.addRam({ name: 'ram', range, backing: new FakeMappable() }); // line 7",
    ];
    using project = new UserProject({
      'late.mjs': lines.join('\n'),
      'once.mjs': lines.toSpliced(4, 1, '').join('\n').replace("name: 'ram'", 'name: 7'),
    });
    for (const program of ['late.mjs', 'once.mjs']) {
      const { status, stderr } = await project.run([program]);
      expect(status).to.equal(1);
      expect(stderr).to.include(`${program}:7:`);
    }
  });
});
