import { expect } from 'chai';
import { addressFault, parseAddresses } from '../../../inspect/page/model/address.js';
import { MATCH_LIMIT, search } from '../../../inspect/page/model/search.js';
import { applyChanges, NO_STATE } from '../../../inspect/page/model/state.js';
import { changes, mapping, region } from './support/wire.js';

const KIB = 1 / 4;
const MIB = 2 ** 8;
const GIB = 2 ** 18;

describe('addresses as people write them', () => {
  const cases: readonly (readonly [text: string, pages: readonly [number, number] | undefined])[] = [
    ['0xfec00000', [0xfec00, 0xfec01]],
    ['0xFEC00FFF', [0xfec00, 0xfec01]],
    ['fec00000', [0xfec00, 0xfec01]],
    ['FFFF0000h', [0xffff0, 0xffff1]],
    ['4276092928', [0xfee00, 0xfee01]],
    ['0', [0, 1]],
    ['4G', [4 * GIB, 4 * GIB + 1]],
    ['4 GiB', [4 * GIB, 4 * GIB + 1]],
    ['1.5g', [1.5 * GIB, 1.5 * GIB + 1]],
    ['640K', [640 * KIB, 640 * KIB + 1]],
    ['0x1_0000_0000', [4 * GIB, 4 * GIB + 1]],
    ['4,294,967,296', [4 * GIB, 4 * GIB + 1]],
    ['0xa0000-0xc0000', [0xa0, 0xc0]],
    [' 1M .. 2M ', [MIB, 2 * MIB]],
    ['4G+256M', [4 * GIB, 4 * GIB + 256 * MIB]],
    ['0x1000-0x1001', [1, 2]],
    ['0xffffffffffffffff', [2 ** 52 - 1, 2 ** 52]],
    ['0-16E', [0, 2 ** 52]],
    ['16E', undefined],
    ['0x10000000000000000', undefined],
    ['0x2000-0x1000', undefined],
    ['0x1000-0x1000', undefined],
    ['0x1000-', undefined],
    ['dead', undefined],
    ['face', undefined],
    ['ram-low', undefined],
    ['ram0', undefined],
    ['', undefined],
    ['-', undefined],
    ['0x', undefined],
    ['1.', undefined],
    ['1e9x', undefined],
  ];
  for (const [text, pages] of cases) {
    it(`'${text}' is ${pages === undefined ? 'no address' : `the pages ${pages.join(' to ')}`}`, () => {
      expect(parseAddresses(text)).to.deep.equal(pages);
    });
  }
});

describe('what is wrong with an address', () => {
  const cases: readonly (readonly [text: string, fault: string | undefined])[] = [
    ['2M-1M', 'the end is not after the start'],
    ['1M..1M', 'the end is not after the start'],
    ['4G+0', 'the length is 0'],
    ['16E', 'beyond 2^64'],
    ['0x10000000000000000', 'beyond 2^64'],
    ['15E+2E', 'beyond 2^64'],
    ['0x1000-', 'an end is missing'],
    ['4G+', 'a length is missing'],
    ['4G', undefined],
    ['1M-2M', undefined],
    ['ram-low', undefined],
    ['82574-rom', undefined],
    ['', undefined],
  ];
  for (const [text, fault] of cases) {
    it(`is of '${text}' ${fault === undefined ? 'nothing' : `that ${fault}`}`, () => {
      expect(addressFault(text)).to.equal(fault);
    });
  }
});

describe('a search', () => {
  const state = applyChanges(
    NO_STATE,
    changes({
      regions: [
        region(0, 100, 200, { name: 'RAM high' }),
        region(1, 0, 50, { name: 'ram low' }),
        region(2, 60, 70, { name: 'vga' }),
      ],
      mappings: [mapping(0, 20, 'ram low'), mapping(30, 50, 'ram low'), mapping(100, 200, 'RAM high')],
    }),
  );
  const found = (text: string): readonly string[] =>
    search(state, text).map(({ kind, pages }) => `${kind} ${pages.join('-')}`);

  it('finds regions and mappings by a part of their name, in ascending order', () => {
    expect(found('ram')).to.deep.equal([
      'region 0-50',
      'region 100-200',
      'mapping 0-20',
      'mapping 30-50',
      'mapping 100-200',
    ]);
    expect(found('VGA')).to.deep.equal(['region 60-70']);
  });

  it('finds what is at an address or in a range, after the address itself', () => {
    expect(found('0x1f000')).to.deep.equal(['addresses 31-32', 'region 0-50', 'mapping 30-50']);
    expect(found('0x1f000-0x40000')).to.deep.equal(['addresses 31-64', 'region 0-50', 'region 60-70', 'mapping 30-50']);
    expect(found('0x50000')).to.deep.equal(['addresses 80-81']);
    expect(found('0x32000'), 'the end of a region').to.deep.equal(['addresses 50-51']);
  });

  it('finds what has no name as it is shown', () => {
    const nameless = applyChanges(NO_STATE, changes({ regions: [region(1, 0, 1, { name: '' }), region(2, 1, 2)] }));
    expect(search(nameless, 'No name').map(({ pages }) => pages[0])).to.deep.equal([0]);
  });

  it('finds nothing for no text, and nothing that is not there', () => {
    expect(found('  ')).to.deep.equal([]);
    expect(found('no such name')).to.deep.equal([]);
    expect(found('.*')).to.deep.equal([]);
  });

  it('finds 10,000 at most', () => {
    const many = applyChanges(
      NO_STATE,
      changes({ mappings: Array.from({ length: 20_000 }, (_, at) => mapping(2 * at, 2 * at + 1)) }),
    );
    expect(search(many, 'ram')).to.have.length(MATCH_LIMIT);
  });
});
