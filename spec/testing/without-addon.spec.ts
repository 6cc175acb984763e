import { expect } from 'chai';
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../lab/paths.js';
import { UserProject } from '../support/user-project.js';

const PROGRAM = `
import { RegionManager, toTarget } from 'dma-streams';
import { addRam, checkTarget, FakeVaMapper, marbleTest, RecordingTarget } from 'dma-streams/testing';

marbleTest(({ sets, expectOutcomes }) => {
  expectOutcomes(sets('a|', { a: { maps: ['0x0-0x1000'] } }).pipe(toTarget(new RecordingTarget()))).toBe('a|', { a: '1 applied' });
});
const target = new RecordingTarget({ needsVa: true });
const manager = new RegionManager({ vaMapper: new FakeVaMapper() });
await manager.attach(target);
await addRam(manager, '0x0-0x1000');
console.log(target.calls);
const checks = checkTarget(() => new RecordingTarget({ needsVa: true }));
for (const { run } of checks) {
  await run();
}
console.log(checks.length > 10);
const refused = await import('dma-streams/targets').catch(({ code }) => code);
console.log(refused);
`;

describe('the test kit', () => {
  it('works in a package that has neither the addon nor the code that loads it', async function () {
    this.timeout(60_000);
    using project = new UserProject({ 'program.js': PROGRAM }, ['rxjs']);
    const installed = join(project.directory, 'node_modules/dma-streams');
    rmSync(installed);
    for (const part of ['package.json', 'dist/streams', 'dist/testing']) {
      cpSync(join(projectRoot, part), join(installed, part), { recursive: true });
    }
    const { stdout, stderr } = await project.run(['program.js']);
    expect(stdout, stderr).to.equal("[ 'map 0x0-0x1000 rw' ]\ntrue\nERR_MODULE_NOT_FOUND\n");
  });
});
