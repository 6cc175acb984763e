import { expect } from 'chai';
import { closeSync, ftruncateSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Memfd } from '../../../binding/index.js';
import { SoftIommuTarget } from '../../../targets/index.js';
import { ALL_MODELS, heldBy, KERNEL_MODELS, requestOf, PAGE, range, refusal } from '../support/requests.js';
import { temporaryFolder } from '../../../lab/temporary-folder.js';

/** Maps one page in two, `count` times from page 0. */
function fill(target: SoftIommuTarget, count: number): void {
  for (let index = 0; index < count; index++) {
    target.mapDma(requestOf(index * 2 * PAGE, (index * 2 + 1) * PAGE));
  }
}

describe('SoftIommuTarget: the number of entries', () => {
  it('type1v2 refuses the 65,536th map: ENOSPC, and the error names limit and use', () => {
    const target = new SoftIommuTarget();
    fill(target, 65_535);
    const last = requestOf(65_535 * 2 * PAGE, (65_535 * 2 + 1) * PAGE, { region: 'one too many' });
    const error = refusal(() => target.mapDma(last), 'ENOSPC');
    expect(error).to.include({ request: 'VFIO_IOMMU_MAP_DMA', target: 'soft', region: 'one too many' });
    expect(error.message).to.contain('65535 of 65535 entries are in use');
    expect(error.hint).to.contain('the limit is 65535 entries, and 65535 are in use').and.contain('dma_entry_limit');
    expect(target.entries).to.equal(65_535);

    target.unmapDma(range(0, PAGE));
    target.mapDma(last);
    expect(target.entries).to.equal(65_535);
  });

  it('iommufd and exact have no limit: 70,000 maps', () => {
    for (const model of ['iommufd', 'exact'] as const) {
      const target = new SoftIommuTarget({ model });
      fill(target, 70_000);
      expect(target.entries).to.equal(70_000);
    }
  });

  for (const model of ALL_MODELS) {
    it(`${model} holds as many as it is told`, () => {
      const target = new SoftIommuTarget({ model, entryLimit: 2 });
      fill(target, 2);
      const error = refusal(() => target.mapDma(requestOf(0x10000, 0x11000)), 'ENOSPC');
      expect(error.message).to.contain('2 of 2');
      target.unmapDma(range(0, PAGE));
      target.mapDma(requestOf(0x10000, 0x11000));
      expect(target.entries).to.equal(2);
    });
  }

  it('at the limit exact still accepts the same map again', () => {
    const target = new SoftIommuTarget({ model: 'exact', entryLimit: 1 });
    target.mapDma(requestOf(0x1000, 0x2000));
    target.mapDma(requestOf(0x1000, 0x2000));
    expect(target.entries).to.equal(1);
  });

  it('at the limit a map over another is EEXIST, not ENOSPC', () => {
    for (const { model } of KERNEL_MODELS) {
      const target = new SoftIommuTarget({ model, entryLimit: 1 });
      target.mapDma(requestOf(0x1000, 0x2000));
      refusal(() => target.mapDma(requestOf(0x1000, 0x2000)), 'EEXIST');
    }
  });
});

for (const { model } of KERNEL_MODELS) {
  describe(`SoftIommuTarget ${model}: a backing shorter than the mapping`, () => {
    let target: SoftIommuTarget;
    let directory: string;
    let fd: number;

    beforeEach(() => {
      target = new SoftIommuTarget({ model });
      directory = temporaryFolder('dma-streams-spec-');
      fd = openSync(join(directory, 'ram'), 'w+');
    });

    afterEach(() => {
      closeSync(fd);
      rmSync(directory, { recursive: true });
    });

    it('a memfd: EFAULT, nothing is left, and the error says where both end', () => {
      using memfd = Memfd.create('short', 0x3000n);
      const error = refusal(() => target.mapDma(requestOf(0, 0x4000, { mappable: memfd })), 'EFAULT');
      expect(error).to.include({ target: target.name, region: 'ram' });
      expect(error.message).to.contain('"short"').and.contain('16384').and.contain('12288');
      expect(error.hint).to.contain('0x3000-0x4000 is not backed');
      expect(heldBy(target)).to.deep.equal([]);
      target.mapDma(requestOf(0, 0x3000, { mappable: memfd }));
      expect(heldBy(target)).to.deep.equal(['0x0-0x3000']);
    });

    it('a memfd, from an offset', () => {
      using memfd = Memfd.create('short', 0x3000n);
      refusal(() => target.mapDma(requestOf(0, 0x2000, { mappable: memfd, fileOffset: 0x2000n })), 'EFAULT');
      const far = requestOf(0x8000, 0x9000, { mappable: memfd, fileOffset: 1n << 62n });
      expect(refusal(() => target.mapDma(far), 'EFAULT').hint).to.contain('0x8000-0x9000 is not backed');
      target.mapDma(requestOf(0, 0x1000, { mappable: memfd, fileOffset: 0x2000n }));
      expect(target.entries).to.equal(1);
    });

    it('a plain file, empty, too short by a byte, and long enough', () => {
      const mappable = { fd, label: 'ram' };
      refusal(() => target.mapDma(requestOf(0, 0x1000, { mappable })), 'EFAULT');
      ftruncateSync(fd, 0x1fff);
      const error = refusal(() => target.mapDma(requestOf(0, 0x2000, { mappable })), 'EFAULT');
      expect(error.hint).to.contain('0x1000-0x2000 is not backed');
      ftruncateSync(fd, 0x1000);
      target.mapDma(requestOf(0, 0x1000, { mappable }));
      expect(heldBy(target)).to.deep.equal(['0x0-0x1000']);
    });

    it('what has no length, or cannot be looked at, is accepted as it is', () => {
      const device = openSync('/dev/zero', 'r+');
      try {
        target.mapDma(requestOf(0, 0x1000, { mappable: { fd: device, label: 'device' } }));
      } finally {
        closeSync(device);
      }
      target.mapDma(requestOf(0x1000, 0x2000, { mappable: { fd: -1, label: 'unknown' } }));
      expect(target.entries).to.equal(2);
    });

    it('a closed memfd is an error that says so, and nothing is mapped', () => {
      const memfd = Memfd.create('gone', 0x1000n);
      memfd.close();
      expect(() => target.mapDma(requestOf(0, 0x1000, { mappable: memfd })))
        .to.throw(/"gone"/)
        .with.property('code', 'ERR_CLOSED');
      expect(target.entries).to.equal(0);
    });
  });
}
