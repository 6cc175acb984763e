import { chmodSync, chownSync, readdirSync, statSync } from 'node:fs';
import { expect } from 'chai';
import { runChild } from '../binding/support/child.js';
import { FIRST } from './support/edu.js';

const NOBODY = 65534;

describe('without permission', () => {
  /** Other specs give the files away. */
  before(() => {
    for (const file of ['/dev/iommu', ...readdirSync('/dev/vfio').map((name) => `/dev/vfio/${name}`)]) {
      if (file !== '/dev/vfio/vfio' && statSync(file).isCharacterDevice()) {
        chownSync(file, 0, 0);
        chmodSync(file, 0o600);
      }
    }
  });

  it('group and iommufd are errors that name the file and what to change', () => {
    const result = runChild(
      `
      const { Iommufd, VfioContainer, VfioGroup } = await import(BINDING);
      for (const use of [() => VfioContainer.open(), () => VfioGroup.forDevice('${FIRST}'), () => Iommufd.open()]) {
        try { use(); console.log('opened'); } catch (error) {
          console.log(error.code, error.syscall, /chown (nobody|65534) \\/dev\\/(vfio\\/\\d+|iommu).*OWNER="(nobody|65534)"/.test(error.hint));
        }
      }`,
      { uid: NOBODY, env: { USER: 'somebody-else' } },
    );
    expect(result.status, result.stderr).to.equal(0);
    // The container's own file is open to all.
    expect(result.stdout.split('\n')).to.deep.equal(['opened', 'EACCES open true', 'EACCES open true']);
  }).timeout(60_000);
});
