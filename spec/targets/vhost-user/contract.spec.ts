import { expect } from 'chai';
import { Memfd } from '../../../binding/index.js';
import { MemoryRange } from '../../../streams/index.js';
import { VhostUserConnection, VhostUserTarget } from '../../../targets/index.js';
import { checkTarget } from '../../../testing/index.js';
import { TABLE } from './support/bench.js';
import { FakeBackEnd, type FakeBackEndOptions } from './support/fake-back-end.js';

/** Above all that vhost-user can address. */
const REFUSED = MemoryRange.ofPages(2 ** 52 - 2, 2 ** 52 - 1);

const MODES: Readonly<Record<string, FakeBackEndOptions>> = {
  slots: { slots: 64 },
  'slots without acks': { slots: 64, protocolFeatures: 1n << 15n },
  'a table': TABLE,
};

for (const [mode, options] of Object.entries(MODES)) {
  describe(`VhostUserTarget with ${mode} keeps the contract of DmaTarget`, () => {
    const backEnds = new WeakMap<VhostUserTarget, FakeBackEnd>();
    const connections = new WeakMap<VhostUserTarget, VhostUserConnection>();

    async function make(): Promise<VhostUserTarget> {
      const backEnd = await FakeBackEnd.listen(options);
      const connection = await VhostUserConnection.connect(backEnd.path);
      const target = new VhostUserTarget(connection, { readOnly: 'share' });
      backEnds.set(target, backEnd);
      connections.set(target, connection);
      return target;
    }

    it('in every check', async function () {
      this.timeout(60_000);
      const checks = await checkTarget(make, {
        refused: REFUSED,
        mappable: () => Memfd.create('memory of the check', 1n << 20n),
        held: (target) => rangesOf(backEnds.get(target)),
        endPeer: (target) => {
          backEnds.get(target)?.close();
        },
        close: (target) => {
          connections.get(target)?.close();
          backEnds.get(target)?.close();
        },
      });
      expect(new Set(checks.map(({ sees }) => sees))).to.deep.equal(new Set(['maps']));
      expect(checks.length).to.be.greaterThan(30);
      const failures: string[] = [];
      for (const { name, run } of checks) {
        await run().catch((error: unknown) => failures.push(`${name}: ${(error as Error).message}`));
      }
      const tooMany = options === TABLE ? [/^makes every map of a batch: .* ENOSPC: .* takes 8 regions/] : [];
      expect(failures.filter((text) => !tooMany.some((one) => one.test(text)))).to.deep.equal([]);
      expect(failures).to.have.length(tooMany.length);
    });
  });
}

/** What a back end has, without the page of a table that is empty. */
function rangesOf(backEnd: FakeBackEnd | undefined): readonly MemoryRange[] {
  const ranges = (backEnd?.regions ?? []).map(({ gpa, size }) => MemoryRange.ofLength(gpa, size));
  return ranges.filter(({ start }) => start !== (1n << 52n) - 4096n);
}
