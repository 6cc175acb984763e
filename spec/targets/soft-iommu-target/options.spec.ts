import { expect } from 'chai';
import { DmaError } from '../../../streams/index.js';
import { SoftIommuTarget } from '../../../targets/index.js';
import { defaultReserved } from '../../../targets/soft-iommu/model.js';
import { ALL_MODELS, handMade, heldBy, mapAll, requestOf, range, refusal, request } from '../support/requests.js';

describe('SoftIommuTarget: options', () => {
  it('is type1v2, and called soft, when nothing is said', () => {
    const target = new SoftIommuTarget();
    expect(target).to.include({ model: 'type1v2', name: 'soft', unmapShape: 'superset' });
  });

  it('is called after its model, or as it is told', () => {
    expect(new SoftIommuTarget({ model: 'iommufd' })).to.include({ name: 'soft:iommufd', unmapShape: 'superset' });
    expect(new SoftIommuTarget({ model: 'exact' })).to.include({ name: 'soft:exact', unmapShape: 'exact' });
    expect(new SoftIommuTarget({ model: 'exact', name: 'mine' }).name).to.equal('mine');
  });

  for (const [what, options, error, message] of [
    ['an unknown model', { model: 'type1' }, RangeError, /'type1' is none of type1v2, iommufd, exact/],
    ['a model that every object has', { model: 'toString' }, RangeError, /'toString' is none of/],
    ['a model that is no text', { model: Symbol('mine') }, RangeError, /Symbol\(mine\)/],
    ['a negative limit', { entryLimit: -1 }, RangeError, /entryLimit -1/],
    ['half a limit', { entryLimit: 1.5 }, RangeError, /entryLimit 1.5/],
    ['a limit that is text', { entryLimit: '10' }, RangeError, /entryLimit 10/],
    ['an aperture that is no range', { aperture: { start: 0n, end: 4096n } }, TypeError, /aperture/],
    ['a reserved range that is none', { reserved: ['0x0-0x1000'] }, TypeError, /reserved/],
    ['a name that is no text', { name: 7 }, TypeError, /name/],
    ['faults that are no Map', { faults: { 0: 'EIO' } }, TypeError, /faults/],
    ['faults that are nothing', { faults: null }, TypeError, /faults/],
    ['reserved ranges that are no list', { reserved: 5 }, TypeError, /reserved/],
    ['options that are none', null, TypeError, /options of SoftIommuTarget/],
    ['options that are a name', 'soft', TypeError, /options of SoftIommuTarget/],
  ] as const) {
    it(`refuses ${what}`, () => {
      expect(() => new SoftIommuTarget(options as never)).to.throw(error, message);
    });
  }

  for (const model of ALL_MODELS) {
    it(`${model} keeps to its own aperture and reserved ranges`, () => {
      const reserved = [range(0x8000, 0x9000), range(0xa000, 0xb000)];
      const target = new SoftIommuTarget({ model, aperture: range(0x1000, 0x10000), reserved });
      for (const [start, end] of [
        [0x0, 0x1000],
        [0x0, 0x2000],
        [0xf000, 0x11000],
      ] as const) {
        expect(refusal(() => target.mapDma(requestOf(start, end)), 'EINVAL').message).to.contain('0x1000-0x10000');
      }
      expect(refusal(() => target.mapDma(requestOf(0x7000, 0x9000)), 'EINVAL').message).to.contain('0x8000-0x9000');
      expect(refusal(() => target.mapDma(requestOf(0xa000, 0xb000)), 'EINVAL').message).to.contain('0xa000-0xb000');
      mapAll(target, [
        [0x1000, 0x8000],
        [0x9000, 0xa000],
        [0xb000, 0x10000],
      ]);
      expect(target.entries).to.equal(3);
    });
  }

  it('reserves the interrupt window of x86 there, and says how to imitate another machine', () => {
    expect(defaultReserved('x64').map(String)).to.deep.equal(['0xfee00000-0xfef00000']);
    expect(defaultReserved('ia32')).to.deep.equal(defaultReserved('x64'));
    for (const other of ['arm64', 'riscv64', 'ppc64', 's390x', 'toString']) {
      expect(defaultReserved(other)).to.deep.equal([]);
    }
    const [window] = defaultReserved(process.arch);
    if (window !== undefined) {
      const error = refusal(() => new SoftIommuTarget().mapDma(request(window)), 'EINVAL');
      expect(error.hint).to.match(/leave a hole .* the option "reserved" \(.*--target soft:type1v2,reserved=none\)$/);
    }
  });

  it('names the setting that lifts a limit, wherever one is met', () => {
    const target = new SoftIommuTarget({ model: 'iommufd', aperture: range(0, 0x2000), reserved: [], entryLimit: 1 });
    const outside = refusal(() => target.mapDma(requestOf(0x2000, 0x3000)), 'EINVAL');
    expect(outside.hint).to.contain('option "aperture" (on the command line, --target soft:iommufd,aperture=A-B)');
    target.mapDma(requestOf(0, 0x1000));
    const full = refusal(() => target.mapDma(requestOf(0x1000, 0x2000)), 'ENOSPC');
    expect(full.hint).to.contain('option "entryLimit" (on the command line, --target soft:iommufd,entries=N)');
  });

  it('with nothing reserved, and all addresses to translate, even the last page of 2^64 maps', () => {
    const target = new SoftIommuTarget({ aperture: range(0n, 1n << 64n), reserved: [] });
    target.mapDma(requestOf((1n << 64n) - 0x1000n, 1n << 64n));
    target.mapDma(requestOf(0xfee00000, 0xfef00000));
    expect(heldBy(target)).to.deep.equal(['0xfee00000-0xfef00000', '0xfffffffffffff000-0x10000000000000000']);
  });
});

describe('SoftIommuTarget: faults', () => {
  for (const model of ALL_MODELS) {
    it(`${model} fails the calls of these numbers, maps and unmaps counted together, without any effect`, () => {
      const faults = new Map([
        [0, 'ENOMEM'],
        [3, 'EIO'],
      ]);
      const target = new SoftIommuTarget({ model, faults });
      const first = refusal(() => target.mapDma(requestOf(0, 0x1000, { region: 'dimm' })), 'ENOMEM');
      expect(first).to.include({ target: target.name, region: 'dimm' });
      expect(first.range?.toString()).to.equal('0x0-0x1000');
      expect(first.hint).to.contain('faults');
      expect(heldBy(target)).to.deep.equal([]);

      target.mapDma(requestOf(0, 0x1000));
      target.mapDma(requestOf(0x1000, 0x2000));
      const fourth = refusal(() => target.unmapDma(range(0, 0x1000)), 'EIO');
      expect(fourth.message).to.contain('call 3');
      expect(heldBy(target)).to.deep.equal(['0x0-0x1000', '0x1000-0x2000']);

      target.unmapDma(range(0, 0x1000));
      expect(heldBy(target)).to.deep.equal(['0x1000-0x2000']);
    });
  }

  it('names the request that failed', () => {
    const faults = new Map([
      [0, 'ENOMEM'],
      [1, 'EIO'],
    ]);
    const target = new SoftIommuTarget({ model: 'iommufd', faults });
    expect(refusal(() => target.mapDma(requestOf(0, 0x1000)), 'ENOMEM').request).to.equal('IOMMU_IOAS_MAP');
    expect(refusal(() => target.unmapDma(range(0, 0x1000)), 'EIO').request).to.equal('IOMMU_IOAS_UNMAP');
  });

  it('a call that fails by itself counts too', () => {
    const target = new SoftIommuTarget({ faults: new Map([[2, 'EIO']]) });
    target.mapDma(requestOf(0, 0x1000));
    refusal(() => target.mapDma(requestOf(0, 0x1000)), 'EEXIST');
    refusal(() => target.mapDma(requestOf(0x1000, 0x2000)), 'EIO');
  });

  it('a malformed call counts too', () => {
    const faults = new Map([
      [2, 'EIO'],
      [3, 'ENOMEM'],
    ]);
    const target = new SoftIommuTarget({ faults });
    refusal(() => target.mapDma(request(handMade(0x1000n, 1n))), 'EINVAL');
    expect(() => target.unmapDma(null as never)).to.throw(TypeError);
    refusal(() => target.mapDma(request(null as never)), 'EIO');
    refusal(() => target.unmapDma(handMade(0x1000n, 1n)), 'ENOMEM');
    target.mapDma(requestOf(0, 0x1000));
    expect(target.entries).to.equal(1);
  });

  it('can be given, and taken back, later', () => {
    const faults = new Map<number, string>();
    const target = new SoftIommuTarget({ faults });
    target.mapDma(requestOf(0, 0x1000));
    faults.set(1, 'EBUSY');
    refusal(() => target.unmapDma(range(0, 0x1000)), 'EBUSY');
    faults.set(2, 'EBUSY');
    faults.clear();
    target.unmapDma(range(0, 0x1000));
    expect(target.entries).to.equal(0);
  });

  it('a code of the library has no number', () => {
    const target = new SoftIommuTarget({ faults: new Map([[0, 'ERR_MINE']]) });
    expect(() => target.mapDma(requestOf(0, 0x1000)))
      .to.throw(DmaError)
      .that.includes({ code: 'ERR_MINE' });
  });
});
