import { expect } from 'chai';
import { checkLastingFault, checkOneFault, forEveryCall } from '../support/fault-checks.js';
import { OPERATIONS } from '../support/fault-operations.js';
import type { Setting } from '../support/fault-scene.js';

const settings: Setting[] = [];
for (const targets of [1, 2, 3]) {
  for (const reply of ['sync', 'async'] as const) {
    for (const va of ['none', 'all', 'all but the first'] as const) {
      if (targets > 1 || va !== 'all but the first') {
        settings.push({ targets, reply, va });
      }
      if (targets === 2 && va === 'all') {
        settings.push({ targets, reply, va, batches: 'sync' }, { targets, reply, va, batches: 'async' });
      }
    }
  }
}

describe('RegionManager: a failure of every call in turn', function () {
  this.timeout(60_000);

  for (const [name, operation] of Object.entries(OPERATIONS)) {
    describe(name, () => {
      for (const setting of settings) {
        const { targets, reply, va, batches } = setting;
        if (operation.needsVa === true && va === 'none') {
          continue;
        }
        const what = `${targets} ${reply} target${targets > 1 ? 's' : ''}, ${va === 'none' ? 'no VA mapper' : `VAs for ${va}`}${batches === undefined ? '' : `, made in batches, released ${batches}`}`;

        it(`call 0, 1, 2 … fails, with ${what}: all is as before, or as after`, async () => {
          await forEveryCall(setting, operation, false, operation.mends === true ? checkLastingFault : checkOneFault);
        });

        it(`every call from 0, 1, 2 … on fails, with ${what}: what is missing or stuck is known, and heal() mends it`, async () => {
          await forEveryCall(setting, operation, true, checkLastingFault);
        });
      }
    });
  }

  it('covers operations that all make calls', async () => {
    for (const [name, operation] of Object.entries(OPERATIONS)) {
      const setting: Setting = { targets: 3, reply: 'sync', va: 'all' };
      const calls = await forEveryCall(setting, operation, false, checkLastingFault);
      expect(calls, name).to.be.at.least(operation.calls);
      expect(calls === 0, name).to.equal(operation.calls === 0);
    }
  });
});
