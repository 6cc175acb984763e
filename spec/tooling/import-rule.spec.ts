import { expect } from 'chai';
import { ESLint } from 'eslint';
import type { Linter } from 'eslint';
import tseslint from 'typescript-eslint';

const ONE_WAY = 'dma-streams/one-way-imports';
const RULES = [ONE_WAY, 'no-restricted-globals', 'no-restricted-properties'];

/** The rules about folders as this project sets them for a file, and no others: those that need types take long. */
async function linterFor(file: string): Promise<ESLint> {
  const config = (await new ESLint().calculateConfigForFile(file)) as Linter.Config;
  const rules = Object.fromEntries(Object.entries(config.rules ?? {}).filter(([name]) => RULES.includes(name)));
  const plugin = config.plugins?.['dma-streams'];
  return new ESLint({
    overrideConfigFile: true,
    overrideConfig: {
      files: ['**/*.ts'],
      languageOptions: { parser: tseslint.parser },
      plugins: plugin === undefined ? {} : { 'dma-streams': plugin },
      rules,
    },
  });
}

async function complaints(file: string, code: string): Promise<string[]> {
  const linter = await linterFor(file);
  const [result] = await linter.lintText(code, { filePath: file });
  return (result?.messages ?? []).map((message) => `${message.ruleId ?? 'syntax'}: ${message.message}`);
}

describe('imports between folders', function () {
  // Loading the linter takes long on a busy machine.
  this.timeout(60_000);

  for (const folder of ['streams', 'binding', 'targets', 'cli', 'examples', 'bench', 'spec']) {
    it(`are checked in ${folder}/, at any depth`, async () => {
      for (const file of [`${folder}/any.ts`, `${folder}/deep/er/any.ts`]) {
        const config = (await new ESLint().calculateConfigForFile(file)) as Linter.Config;
        expect(config.rules?.[ONE_WAY], file).to.deep.equal([2]);
      }
    });
  }

  const allowed: readonly (readonly [file: string, code: string])[] = [
    ['streams/view/view.ts', `import { Observable } from 'rxjs';`],
    ['streams/operators/to-target.ts', `import { DmaError } from '../errors.js';`],
    ['binding/memfd.ts', `import type { Mappable } from '../streams/region.js';`],
    ['binding/memfd.ts', `import { closeSync } from 'node:fs';`],
    ['binding/native.ts', `import load from 'node-gyp-build';`],
    ['targets/soft-iommu/iova.ts', `import { RangeMap } from '../../streams/ranges/range-map.js';`],
    ['targets/vfio.ts', `import { VfioContainer } from '../binding/index.js';`],
    ['cli/main.ts', `import { Command } from 'commander'; import { LoggingTarget } from '../targets/index.js';`],
    ['bench/pipeline.ts', `import { Bench } from 'tinybench'; import { Memfd } from '../binding/index.js';`],
    ['examples/first.ts', `import { RegionManager } from 'dma-streams'; import { Memfd } from 'dma-streams/binding';`],
    ['spec/cli/main.spec.ts', `import { main } from '../../cli/main.js'; import { fake } from '../support/fake.js';`],
  ];
  for (const [file, code] of allowed) {
    it(`are allowed: ${file}: ${code}`, async () => {
      expect(await complaints(file, code)).to.deep.equal([]);
    });
  }

  const refused: readonly (readonly [file: string, code: string, reason: string])[] = [
    ['streams/view/view.ts', `import { Memfd } from '../binding/index.js';`, 'streams/ must not import binding/'],
    ['streams/operators/x.ts', `import { T } from '../../targets/index.js';`, 'streams/ must not import targets/'],
    ['streams/view/view.ts', `import type { Memfd } from '../binding/index.js';`, 'streams/ must not import binding/'],
    ['streams/view/view.ts', `export * from '../binding/index.js';`, 'streams/ must not import binding/'],
    ['streams/view/view.ts', `export { Memfd } from '../binding/index.js';`, 'streams/ must not import binding/'],
    ['streams/view/view.ts', `const late = import('../binding/index.js');`, 'streams/ must not import binding/'],
    ['streams/view/view.ts', 'const late = import(`../binding/index.js`);', 'streams/ must not import binding/'],
    ['streams/view/view.ts', `let x: import('../binding/index.js').Memfd;`, 'streams/ must not import binding/'],
    ['streams/view/view.ts', `import fs from 'node:fs';`, 'streams/ must not import modules of Node.js'],
    ['streams/view/view.ts', `import fs from 'fs';`, "streams/ must not import the package 'fs'"],
    [
      'streams/view/view.ts',
      `import BTree from 'sorted-btree';`,
      "streams/ must not import the package 'sorted-btree'",
    ],
    ['streams/view/view.ts', `import x from 'rxjs-like';`, "streams/ must not import the package 'rxjs-like'"],
    ['streams/view/view.ts', `import { Memfd } from 'dma-streams/binding';`, 'must not import the package'],
    ['binding/memfd.ts', `import { T } from '../targets/index.js';`, 'binding/ must not import targets/'],
    ['binding/memfd.ts', `import load from 'node-gyp-build';`, 'only binding/native.ts loads the addon'],
    ['binding/memfd.ts', `import { Subject } from 'rxjs';`, "binding/ must not import the package 'rxjs'"],
    ['targets/vfio.ts', `const addon = require('../build/Release/x.node');`, 'only binding/native.ts loads the addon'],
    ['targets/vfio.ts', `import { main } from '../cli/main.js';`, 'targets/ must not import cli/'],
    ['cli/main.ts', `import { T } from '../spec/support/fake.js';`, 'cli/ must not import spec/'],
    ['cli/main.ts', `import { f } from '../bench/pipeline.js';`, 'cli/ must not import bench/'],
    ['cli/main.ts', `import { expect } from 'chai';`, "cli/ must not import the package 'chai'"],
    ['examples/first.ts', `import { M } from '../streams/index.js';`, 'examples/ must not import streams/'],
    ['bench/pipeline.ts', `import { f } from '../spec/support/fake.js';`, 'bench/ must not import spec/'],
  ];
  for (const [file, code, reason] of refused) {
    it(`are refused: ${file}: ${code}`, async () => {
      const found = await complaints(file, code);
      expect(found).to.have.length(1);
      expect(found[0])
        .to.match(new RegExp(`^${ONE_WAY}: `))
        .and.include(reason);
    });
  }

  for (const code of [
    'process.exit(1);',
    'Buffer.alloc(1);',
    'globalThis.process.exit(1);',
    'globalThis.Buffer.from([]);',
  ]) {
    it(`streams/ does without what only Node.js has: ${code}`, async () => {
      expect(await complaints('streams/view/view.ts', code)).to.have.length(1);
      expect(await complaints('targets/vfio.ts', code)).to.deep.equal([]);
    });
  }
});
