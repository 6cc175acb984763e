import { expect } from 'chai';
import * as fc from 'fast-check';
import { MemoryRange } from '../../streams/index.js';
import { parseSoftOptions, type SoftIommuModel } from '../../cli/replay/soft-options.js';

describe('the settings of --target soft', () => {
  it('are none where nothing is said', () => {
    for (const model of ['type1v2', 'iommufd', 'exact']) {
      expect(parseSoftOptions(model)).to.deep.equal({ model });
    }
  });

  it('may stand without a model, in any order', () => {
    const aperture = MemoryRange.of(0x1000, 0x9000);
    const expected = { model: 'type1v2', aperture, reserved: [], entryLimit: 0 };
    expect(parseSoftOptions('aperture=0x1000-0x9000,reserved=none,entries=0')).to.deep.equal(expected);
    expect(parseSoftOptions('entries=0,reserved=none,aperture=0x1000-0x9000')).to.deep.equal(expected);
  });

  it('come out as they were written, whatever they are', () => {
    const page = fc.integer({ min: 0, max: 2 ** 52 - 1 });
    const range = fc.tuple(page, page).map(([a, b]) => MemoryRange.ofPages(Math.min(a, b), Math.max(a, b) + 1));
    const model = fc.constantFrom<SoftIommuModel>('type1v2', 'iommufd', 'exact');
    fc.assert(
      fc.property(
        model,
        fc.option(range),
        fc.array(range),
        fc.option(fc.nat()),
        (name, aperture, reserved, entries) => {
          const parts = [
            name,
            ...reserved.map((one) => `reserved=${one.toString()}`),
            ...(aperture === null ? [] : [`aperture=${aperture.toString()}`]),
            ...(entries === null ? [] : [`entries=${entries}`]),
          ];
          expect(parseSoftOptions(parts.join(','))).to.deep.equal({
            model: name,
            ...(reserved.length === 0 ? {} : { reserved }),
            ...(aperture === null ? {} : { aperture }),
            ...(entries === null ? {} : { entryLimit: entries }),
          });
        },
      ),
    );
  });

  for (const [text, message] of [
    ['', /no model ""/],
    ['toString', /no model "toString" of the software IOMMU: the models are type1v2, iommufd, exact$/],
    ['exact,', /no setting ""/],
    ['exact,window=none', /no setting "window=none" .*aperture=A-B, reserved=A-B \(or reserved=none\) and entries=N$/],
    ['exact,iommufd', /no setting "iommufd"/],
    ['reserved=0x1000', /'0x1000' is not a range: write it as/],
    ['reserved=', /'' is not a range/],
    ['aperture=0x1000-0x1800', /0x1800.*not a multiple/],
    ['aperture=none', /'none' is not a range/],
    ['reserved=none,reserved=0x0-0x1000', /"none" or ranges, not both/],
    ['reserved=0x0-0x1000,reserved=none', /"none" or ranges, not both/],
    ['aperture=0x0-0x1000,aperture=0x0-0x1000', /second of its kind/],
    ['entries=1,entries=1', /second of its kind/],
    ['entries=-1', /entries "-1" is not a number of mappings/],
    ['entries=1e3', /entries "1e3"/],
    ['entries=', /entries ""/],
    ['entries=99999999999999999999', /entries "9+"/],
  ] as const) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      expect(() => parseSoftOptions(text)).to.throw(RangeError, message);
    });
  }
});
