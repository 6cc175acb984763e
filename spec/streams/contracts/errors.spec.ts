import { readdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  DmaError,
  DmaFault,
  DmaMapError,
  DmaUnmapError,
  MemoryRange,
  RegionOverlapError,
} from '../../../streams/index.js';
import { LIBRARY_ERRORS, type DmaErrorCode } from '../../../streams/contracts/error-codes.js';
import { errnoName, errnoOf } from '../../../streams/contracts/errno.js';
import { projectRoot } from '../../../lab/paths.js';
import { toDmaError } from '../../../streams/contracts/errors.js';

const range = MemoryRange.of(0x1000, 0x2000);

describe('errors', () => {
  describe('the codes of this library', () => {
    const sources = ['streams', 'binding', 'targets', 'testing'].flatMap((folder) =>
      readdirSync(join(projectRoot, folder), { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.ts') && !file.endsWith('error-codes.ts'))
        .map((file) => readFileSync(join(projectRoot, folder, file), 'utf8')),
    );

    it('are exactly those in the table from which their type is made', () => {
      const used = new Set(sources.flatMap((source) => source.match(/(?<=')ERR_[A-Z_]+(?=')/g) ?? []));
      expect([...used].toSorted()).to.deep.equal(Object.keys(LIBRARY_ERRORS).toSorted());
    });

    it('are members of the type DmaErrorCode', () => {
      const known: DmaErrorCode[] = ['ERR_RANGE_STUCK', 'ENOMEM', 'ABORT_ERR'];
      const { code } = new DmaError('no room', { code: 'ENOMEM' });
      expect(known.includes(code as DmaErrorCode)).to.equal(true);
    });
  });

  describe('DmaError', () => {
    it('has the properties of a system error of Node.js', () => {
      const cause = new Error('cause');
      const error = new DmaError('cannot pin', {
        code: 'ENOMEM',
        syscall: 'ioctl',
        request: 'VFIO_IOMMU_MAP_DMA',
        target: 'vfio',
        region: 'ram',
        range,
        hint: 'raise the limit',
        cause,
      });
      expect(error).to.be.instanceOf(Error);
      expect(error).to.include({
        name: 'DmaError',
        code: 'ENOMEM',
        errno: -12,
        syscall: 'ioctl',
        request: 'VFIO_IOMMU_MAP_DMA',
        target: 'vfio',
        region: 'ram',
        range,
        hint: 'raise the limit',
        cause,
      });
      expect(error.message).to.equal(
        'ENOMEM: cannot pin, ioctl VFIO_IOMMU_MAP_DMA 0x1000-0x2000 (region "ram", target "vfio")',
      );
    });

    it('has only the properties that were given, and mentions each only once in its message', () => {
      const error = new DmaError('ENOENT: nothing at 0x1000-0x2000 of "vfio"', {
        code: 'ENOENT',
        range,
        target: 'vfio',
      });
      expect(error.message).to.equal('ENOENT: nothing at 0x1000-0x2000 of "vfio"');
      expect(error).not.to.have.any.keys('syscall', 'request', 'region', 'hint', 'cause');
      expect(Object.keys(error)).to.have.members(['name', 'code', 'errno', 'target', 'range']);
    });

    it('has errno 0 if the kernel has no number, and keeps an errno that was given', () => {
      expect(new DmaError('x', { code: 'ERR_CLOSED' }).errno).to.equal(0);
      expect(new DmaError('x', { code: 'EIO', errno: -77 }).errno).to.equal(-77);
    });

    it('has the error number of the kernel for each name that Node.js knows', () => {
      for (const [code, number] of Object.entries(constants.errno)) {
        expect(errnoOf(code), code).to.equal(number);
        expect(new DmaError('x', { code }).errno, code).to.equal(-number);
      }
    });

    it('has no number for a code that is not the name of a kernel error', () => {
      for (const code of ['ERR_CLOSED', 'constructor', 'toString', '']) {
        expect(errnoOf(code), code).to.equal(undefined);
      }
    });
  });

  describe('errnoName', () => {
    it('accepts positive and negative numbers', () => {
      expect(errnoName(-12)).to.deep.equal({
        code: 'ENOMEM',
        sentence: 'not enough memory, or over the limit of locked memory',
      });
      expect(errnoName(12).code).to.equal('ENOMEM');
    });

    it('has a unique name and a description for each error number of Linux, which omits two numbers', () => {
      const names = new Set<string>();
      for (let number = 1; number <= 133; number++) {
        const { code, sentence } = errnoName(number);
        if (number === 41 || number === 58) {
          expect(code).to.equal(`E${number}`);
        } else {
          expect(code)
            .to.match(/^E[A-Z0-9]+$/)
            .and.not.match(/^E\d+$/);
          expect(sentence).not.to.equal(code);
          expect(errnoOf(code)).to.equal(number);
        }
        names.add(code);
      }
      expect(names.size).to.equal(133);
    });

    it('makes a name from an unknown number', () => {
      expect(errnoName(4242)).to.deep.equal({ code: 'E4242', sentence: 'kernel error 4242' });
    });
  });

  describe('of failed commands', () => {
    const at = { target: 'vfio', range };

    it('include DmaMapError, a DmaError with the maps that were undone, are missing or are stuck', () => {
      const error = new DmaMapError('x', { code: 'EIO' }, { undone: [at], missing: [at], stuck: [at] });
      expect(error).to.be.instanceOf(DmaError).and.include({ name: 'DmaMapError', code: 'EIO' });
      expect([error.undone, error.missing, error.stuck]).to.deep.equal([[at], [at], [at]]);
      const bare = new DmaMapError('x', { code: 'EIO' });
      expect([bare.undone, bare.missing, bare.stuck]).to.deep.equal([[], [], []]);
    });

    it('include DmaUnmapError, a DmaError with the maps that are stuck', () => {
      const error = new DmaUnmapError('x', { code: 'EIO' }, { stuck: [at] });
      expect(error).to.be.instanceOf(DmaError).and.include({ name: 'DmaUnmapError' });
      expect(error.stuck).to.deep.equal([at]);
      expect(new DmaUnmapError('x', { code: 'EIO' }).stuck).to.deep.equal([]);
    });

    it('include RegionOverlapError and DmaFault, which are DmaErrors with details', () => {
      expect(new RegionOverlapError('x', 'new', 'old', { hint: 'cut' }))
        .to.be.instanceOf(DmaError)
        .and.include({ errno: 0, hint: 'cut' });
      expect(new DmaFault('x', 0n, 'read', { target: 'soft' }))
        .to.be.instanceOf(DmaError)
        .and.include({ errno: 0, target: 'soft' });
      expect(new RegionOverlapError('x', 'new', 'old')).to.include({
        name: 'RegionOverlapError',
        code: 'ERR_REGION_OVERLAP',
        region: 'new',
        existing: 'old',
      });
      expect(new DmaFault('x', 0x1234n, 'write')).to.include({
        name: 'DmaFault',
        code: 'ERR_DMA_FAULT',
        iova: 0x1234n,
        access: 'write',
      });
    });
  });

  describe('toDmaError', () => {
    const context = { fallbackCode: 'ERR_TARGET_FAILED', target: 'T', region: 'ram', range };

    it('returns a DmaError unchanged', () => {
      const error = new DmaMapError('x', { code: 'EIO' });
      expect(toDmaError(error, context)).to.equal(error);
    });

    it('keeps code, errno and syscall of a system error, which becomes the cause', () => {
      const thrown = Object.assign(new Error('no space left'), { code: 'ENOSPC', errno: 28, syscall: 'write' });
      const error = toDmaError(thrown, context);
      expect(error).to.include({
        code: 'ENOSPC',
        errno: -28,
        syscall: 'write',
        target: 'T',
        region: 'ram',
        cause: thrown,
      });
      expect(error.message).to.include('no space left');
    });

    it('prefers the system call that the caller gives', () => {
      expect(toDmaError({ syscall: 'write', message: 'x' }, { ...context, syscall: 'ioctl' }).syscall).to.equal(
        'ioctl',
      );
    });

    for (const [what, thrown, mentions] of [
      ['a plain error', new Error('boom'), 'boom'],
      ['an error without a message', new Error(), 'Error'],
      ['a string', 'boom', 'boom'],
      ['undefined', undefined, 'undefined'],
      ['null', null, 'null'],
      ['a number', 7, '7'],
      ['a symbol', Symbol('boom'), 'Symbol(boom)'],
      [
        'a function',
        function boom() {
          /* nothing */
        },
        'boom',
      ],
      ['an object without a prototype', Object.create(null), 'no text'],
      ['an object whose code is no string', { code: 5, errno: 'x', syscall: 3, message: 9 }, 'not an error'],
    ] as const) {
      it(`makes a DmaError of ${what}`, () => {
        const error = toDmaError(thrown, context);
        expect(error).to.be.instanceOf(DmaError).and.include({ code: 'ERR_TARGET_FAILED', errno: 0, target: 'T' });
        expect(error.message).to.include(mentions);
        expect(error.cause).to.equal(thrown);
      });
    }
  });
});
