import { expect } from 'chai';
import { DmaError } from '../../../streams/index.js';
import { checkOneFault, forEveryCall, type Run } from '../support/fault-checks.js';
import { OPERATIONS } from '../support/fault-operations.js';
import type { Setting } from '../support/fault-scene.js';
import { texts } from '../support/phrases.js';

const GONE = 'ERR_TARGET_GONE';

/** Checks the state after a target has gone: it holds nothing and is not attached, and nothing is stuck anywhere. */
async function checkGone(run: Run): Promise<void> {
  const { scene, before, after, error } = run;
  const isGone = ({ code }: DmaError): boolean => code === GONE;
  if (!(error instanceof DmaError && isGone(error)) && !scene.warnings.some(isGone)) {
    await checkOneFault(run); // It was a call of the VA mapper.
    return;
  }
  if (error === undefined) {
    expect(scene.view()).to.deep.equal(after);
  } else {
    expect(error).to.include({ code: GONE });
    expect(scene.view()).to.deep.equal(before);
  }
  const attached = scene.attachments.filter(({ phase }) => phase === 'attached');
  expect(scene.manager.attachments).to.include.members(attached);
  expect(scene.manager.attachments.every(({ phase }) => phase === 'attached')).to.equal(true);
  for (const target of [...scene.targets, scene.late]) {
    const attachment = scene.manager.attachments.find((one) => one.target === target.name);
    if (attachment === undefined) {
      expect(texts(target.held())).to.deep.equal([]);
    } else {
      expect(target.contents()).to.deep.equal(scene.viewOf(target));
      expect(texts(attachment.ledger().map(({ range }) => range))).to.deep.equal(texts(target.held()));
      expect(attachment.missing()).to.deep.equal([]);
    }
  }
  for (const attachment of scene.attachments.filter(({ phase }) => phase !== 'attached')) {
    expect([attachment.phase, attachment.ledger(), attachment.missing()]).to.deep.equal(['gone', [], []]);
  }
  scene.expectVas(false);
}

describe('RegionManager: a target that is gone, at every call in turn', function () {
  this.timeout(60_000);

  for (const [name, operation] of Object.entries(OPERATIONS)) {
    for (const reply of ['sync', 'async'] as const) {
      for (const va of ['none', 'all but the first'] as const) {
        if (operation.needsVa === true && va === 'none') {
          continue;
        }
        it(`${name}, with 3 ${reply} targets, VAs for ${va}`, async () => {
          const setting: Setting = { targets: 3, reply, va, code: GONE };
          const calls = await forEveryCall(setting, operation, false, checkGone);
          expect(calls).to.be.at.least(operation.calls > 0 ? 1 : 0);
        });
      }
    }
  }
});
