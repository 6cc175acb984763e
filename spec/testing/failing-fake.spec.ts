import { expect } from 'chai';
import { DmaError, MemoryRange } from '../../streams/index.js';
import { FakeVaMapper, mapOf, RecordingTarget, type FailingFake, type FakeCall } from '../../testing/index.js';
import { codeOf, requestAt } from './support/calls.js';

const [A, B, C] = ['0x0-0x1000', '0x1000-0x2000', '0x4000-0x8000'].map((text) => MemoryRange.parse(text)) as [
  MemoryRange,
  MemoryRange,
  MemoryRange,
];

interface Subject {
  readonly fake: FailingFake;
  /** The words with which the texts of its calls begin. */
  readonly words: readonly [string, string];
  /** The code of a failure for which none is given. */
  readonly defaultCode: string;
  add(range: MemoryRange): unknown;
  remove(range: MemoryRange): unknown;
}

const SUBJECTS: Readonly<Record<string, (journal?: string[]) => Subject>> = {
  RecordingTarget: (journal) => {
    const fake = new RecordingTarget(journal === undefined ? {} : { journal });
    return {
      fake,
      words: ['map', 'unmap'],
      defaultCode: 'EIO',
      add: (range) => fake.mapDma(requestAt(range)),
      remove: (range) => fake.unmapDma(range),
    };
  },
  FakeVaMapper: (journal) => {
    const fake = new FakeVaMapper({ journal });
    return {
      fake,
      words: ['ensure', 'release'],
      defaultCode: 'ENOMEM',
      add: (range) => fake.ensureMapped(mapOf(range)),
      remove: (range) => {
        fake.release(range);
      },
    };
  },
};

for (const [name, create] of Object.entries(SUBJECTS)) {
  describe(`${name}: record and failures on plan`, () => {
    let subject: Subject;
    let fake: FailingFake;
    let journal: string[];

    beforeEach(() => {
      journal = [];
      subject = create(journal);
      ({ fake } = subject);
    });

    const adds = (...ranges: readonly MemoryRange[]): unknown[] =>
      ranges.map((range) => codeOf(() => subject.add(range)));

    it('records each call with the code of its failure, in calls, calls$ and the journal', () => {
      const emitted: string[] = [];
      fake.calls$.subscribe((text) => emitted.push(text));
      fake.failCall(1, 'ENOSPC');
      expect(adds(A, B)).to.deep.equal([undefined, 'ENOSPC']);
      subject.remove(A);
      const [add, remove] = subject.words;
      const mode = add === 'map' ? ' rw' : '';
      const texts = [`${add} ${A}${mode}`, `${add} ${B}${mode} -> ENOSPC`, `${remove} ${A}`];
      expect(fake.calls).to.deep.equal(texts);
      expect(emitted).to.deep.equal(texts);
      expect(journal).to.deep.equal(texts.map((text) => `${fake.name}: ${text}`));
    });

    it('returns the calls since they were last taken', () => {
      adds(A);
      expect(fake.takeCalls()).to.have.length(1);
      expect(fake.calls).to.deep.equal([]);
      adds(B);
      expect(fake.takeCalls()).to.deep.equal([fake instanceof RecordingTarget ? `map ${B} rw` : `ensure ${B}`]);
    });

    it('fails the call of a number, once; takeCalls starts again at 0', () => {
      fake.failCall(1);
      expect(adds(A, B, B)).to.deep.equal([undefined, subject.defaultCode, undefined]);
      fake.takeCalls();
      fake.failCall(0, 'EPERM').clearFailures().failCall(2, 'EPERM');
      subject.remove(A);
      subject.remove(B);
      expect(adds(A)).to.deep.equal(['EPERM']);
    });

    it('fails the calls that overlap a range, given as a range or as a text', () => {
      fake.failRange('0x1000-0x5000');
      expect(adds(A, B, C)).to.deep.equal([undefined, subject.defaultCode, subject.defaultCode]);
      fake.clearFailures().failRange(C, 'ENOSPC');
      expect(adds(B, C)).to.deep.equal([undefined, 'ENOSPC']);
    });

    it('fails all calls, or those whose text starts with a prefix', () => {
      adds(A);
      fake.failAll(subject.words[1], 'EBUSY');
      expect(adds(B)).to.deep.equal([undefined]);
      expect(codeOf(() => subject.remove(A))).to.equal('EBUSY');
      fake.clearFailures().failAll();
      expect(adds(C)).to.deep.equal([subject.defaultCode]);
      expect(codeOf(() => subject.remove(A))).to.equal(subject.defaultCode);
    });

    it('fails the calls for which a function returns a code; the first plan with a code counts', () => {
      const seen: FakeCall[] = [];
      fake
        .failWhen((call) => {
          seen.push(call);
          return call.kind === subject.words[1] ? 'EINTR' : undefined;
        })
        .failAll('', 'EAGAIN');
      expect(adds(A)).to.deep.equal(['EAGAIN']);
      expect(codeOf(() => subject.remove(A))).to.be.oneOf(['EINTR', 'ERR_CONTRACT']);
      expect(seen[0]).to.include({ number: 0, kind: subject.words[0], range: A });
      expect(seen[0]?.text).to.match(new RegExp(`^${subject.words[0]} 0x0-0x1000`));
    });

    it('fails no call any more after clearFailures', () => {
      fake
        .failCall(0)
        .failRange(A)
        .failAll()
        .failWhen(() => 'EIO');
      expect(adds(A)).not.to.deep.equal([undefined]);
      fake.clearFailures();
      expect(adds(A)).to.deep.equal([undefined]);
    });

    it('throws a DmaError that names the range, and has no effect', () => {
      fake.failAll();
      expect(() => subject.add(A))
        .to.throw(DmaError, 'failed on plan')
        .that.deep.includes({ code: subject.defaultCode, range: A });
      fake.clearFailures();
      expect(adds(A), 'nothing is there').to.deep.equal([undefined]);
      fake.failAll();
      expect(codeOf(() => subject.remove(A))).to.equal(subject.defaultCode);
      fake.clearFailures();
      expect(
        codeOf(() => subject.remove(A)),
        'it is still there',
      ).to.equal(undefined);
      expect(fake.violations).to.deep.equal([]);
    });

    it('a failure on plan does not breach the contract; checkContract throws all breaches in one error', () => {
      fake.failCall(0);
      adds(A, A);
      fake.checkContract();
      const half = MemoryRange.parse('0x0-0x2000');
      expect(adds(half, half.shift(0x1000n))).to.deep.equal(['ERR_CONTRACT', undefined]);
      expect(adds(half)).to.deep.equal(['ERR_CONTRACT']);
      expect(fake.violations).to.have.length(2);
      expect(() => {
        fake.checkContract();
      }).to.throw(Error, `the contract was breached:\n  ${fake.violations.join('\n  ')}`);
    });

    it('a breach fails with ERR_CONTRACT, whatever is planned, and is in the record', () => {
      adds(A);
      fake.failAll();
      expect(adds(MemoryRange.parse('0x0-0x2000'))).to.deep.equal(['ERR_CONTRACT']);
      expect(fake.calls.at(-1)).to.match(/ -> ERR_CONTRACT$/);
    });
  });
}

describe('the options and plans of fakes', () => {
  it('are refused where they are misspelt: a test would look at nothing', () => {
    expect(() => new RecordingTarget({ batch: true } as never)).to.throw(TypeError, /RecordingTarget has no "batch"/);
    expect(() => new RecordingTarget({ unmapShape: 'each' as never })).to.throw(
      TypeError,
      /'superset' or 'exact', not 'each'/,
    );
    expect(() => new RecordingTarget({ reply: 'late' as never })).to.throw(TypeError, /'sync' or 'async', not 'late'/);
    expect(() => new FakeVaMapper({ batches: true as never })).to.throw(TypeError, /batches of FakeVaMapper must be/);
    expect(() => mapOf('0x0-0x1000', { writeable: false } as never)).to.throw(
      TypeError,
      /a map change has no "writeable"/,
    );
    const target = new RecordingTarget();
    expect(() => target.failCall('1' as never)).to.throw(TypeError, /counted from 0, not '1'/);
    expect(() => target.failAll('umap')).to.throw(TypeError, /no call starts with 'umap'/);
    target.failAll('map 0x1').failAll('un').failAll();
  });
});
