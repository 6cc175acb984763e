import { closeSync, ftruncateSync, openSync, unlinkSync } from 'node:fs';
import { expect } from 'chai';
import fc from 'fast-check';
import { Memfd } from '../../../binding/index.js';
import { native } from '../../../binding/native.js';
import { MemoryRange, type ReleaseFailure } from '../../../streams/index.js';
import { ram } from '../support/changes.js';
import { MAPPERS } from '../support/mappers.js';
import { LENGTH, numbered } from '../support/numbered-file.js';
import { attempt, codeOf } from '../support/outcomes.js';

const PAGE = 0x1000;

describe('Sets of mappings', () => {
  for (const mapper of MAPPERS) {
    it(`do what the same calls one by one do: ${mapper.name}`, () => {
      using memfd = Memfd.create('numbered', BigInt(LENGTH * PAGE));
      numbered(memfd.fd);
      const path = `/dev/shm/dma-streams-sets-${process.pid}`;
      const fd = openSync(path, 'w+');
      const readable = openSync(path, 'r');
      unlinkSync(path);
      ftruncateSync(fd, LENGTH * PAGE);
      numbered(fd);
      const files = [memfd, { fd, label: 'unsealed' }, { fd: readable, label: 'read-only' }, undefined];
      const pages = fc.tuple(fc.nat(40), fc.integer({ min: 1, max: 4 }));
      const change = fc
        .tuple(pages, fc.constantFrom(...files), fc.nat(LENGTH), fc.boolean())
        .map(([[start, length], file, offset, writable]) =>
          ram(start * PAGE, (start + length) * PAGE, file, { fileOffset: BigInt(offset * PAGE), writable }),
        );
      // Mappings side by side, which are mapped as one where they can be.
      const row = fc.tuple(fc.nat(36), fc.integer({ min: 1, max: 6 }), fc.nat(LENGTH)).map(([start, count, offset]) =>
        Array.from({ length: count }, (_, index) =>
          ram((start + index) * PAGE, (start + index + 1) * PAGE, memfd, {
            fileOffset: BigInt((offset + index) * PAGE),
          }),
        ),
      );
      const range = pages.map(([start, length]) => MemoryRange.ofPages(start, start + length));
      const step = fc.oneof(
        fc.record({ ensure: fc.oneof(fc.array(change, { maxLength: 8 }), row) }),
        fc.record({ release: fc.array(range, { maxLength: 8 }) }),
      );
      fc.assert(
        fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
          using one = mapper.make();
          using many = mapper.make();
          const areas = (use: () => string[]): { readonly codes: string[]; readonly areas: number } => {
            const before = native().addressSpaceAreas();
            return { codes: use(), areas: native().addressSpaceAreas() - before };
          };
          for (const todo of steps) {
            if ('ensure' in todo) {
              const together = areas(() => many.ensureMappedBatch(todo.ensure).map(codeOf));
              const apart = areas(() => todo.ensure.map((wanted) => codeOf(attempt(() => one.ensureMapped(wanted)))));
              expect(together).to.deep.equal(apart);
            } else {
              const together = areas(() => {
                const failures = (many.releaseBatch(todo.release) ?? []) as readonly ReleaseFailure[];
                return todo.release.map((asked) => codeOf(failures.find((failure) => failure.range === asked)?.error));
              });
              const apart = areas(() => todo.release.map((asked) => codeOf(attempt(() => one.release(asked)))));
              expect(together).to.deep.equal(apart);
            }
            expect(many.mappedRanges()).to.deep.equal(one.mappedRanges());
            for (let page = 0n; page < 45n; page++) {
              const [a, b] = [one, many].map((of) => attempt(() => of.read(page << 12n, 1)));
              expect(codeOf(b)).to.equal(codeOf(a));
              expect(a instanceof Error || (a as Buffer).equals(b as Buffer)).to.equal(true);
            }
          }
        }),
        { numRuns: 200 },
      );
      closeSync(fd);
      closeSync(readable);
    }).timeout(60_000);
  }
});
