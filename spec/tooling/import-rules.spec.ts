import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { cruise, type ICruiseOptions, type ICruiseResult, type IFlattenedRuleSet } from 'dependency-cruiser';
import { ESLint, type Linter } from 'eslint';
import tseslint from 'typescript-eslint';
import { projectRoot } from '../../lab/paths.js';
import { temporaryFolder } from '../../lab/temporary-folder.js';

/** Files that are imported, and import nothing. */
const STUBS = [
  'streams/index.ts',
  'streams/internal.ts',
  'streams/util/any.ts',
  'streams/ranges/any.ts',
  'streams/contracts/any.ts',
  'streams/view/any.ts',
  'streams/target/any.ts',
  'binding/index.ts',
  'targets/index.ts',
  'cli/main.ts',
  'inspect/wire/messages.ts',
  'inspect/page/model/any.ts',
  'bench/pipeline.ts',
  'spec/support/fake.ts',
];

const ALLOWED: readonly (readonly [folder: string, code: string])[] = [
  ['streams/view', `import { Observable } from 'rxjs';`],
  ['streams/view', `import { a } from '../contracts/any.js';`],
  ['streams/view', `import type { A } from '../ranges/any.js';`],
  ['binding', `import type { Mappable } from '../streams/index.js';`],
  ['binding/deep/er', `import { RangeMap } from '../../../streams/internal.js';`],
  ['binding', `import { closeSync } from 'node:fs';`],
  ['binding', `import { Subject } from 'rxjs';`],
  ['targets', `import { VfioContainer } from '../binding/index.js'; import { from } from 'rxjs';`],
  ['cli', `import { Command } from 'commander'; import { LoggingTarget } from '../targets/index.js';`],
  ['bench', `import { linearRegression } from 'simple-statistics'; import { Memfd } from '../binding/index.js';`],
  ['inspect/page/view', `import { html } from 'lit/html.js'; import { a } from '../model/any.js';`],
  ['inspect/page/model', `import type { A } from '../../wire/messages.js';`],
  ['spec/cli', `import { main } from '../../cli/main.js'; import { a } from '../../streams/view/any.js';`],
];

const REFUSED: readonly (readonly [folder: string, code: string, rule: string])[] = [
  ['streams/view', `import { Memfd } from '../../binding/index.js';`, 'streams-imports-down'],
  ['streams/view', `import type { Memfd } from '../../binding/index.js';`, 'streams-imports-down'],
  ['streams/view', `export * from '../../binding/index.js';`, 'streams-imports-down'],
  ['streams/view', `export type { Memfd } from '../../binding/index.js';`, 'streams-imports-down'],
  ['streams/view', `export const late = import('../../binding/index.js');`, 'streams-imports-down'],
  ['streams/view', `export let x: import('../../binding/index.js').Memfd;`, 'streams-imports-down'],
  ['streams/view', `import { T } from '../../targets/index.js';`, 'streams-imports-down'],
  ['streams/view', `import { a } from '../target/any.js';`, 'streams-view-imports-down'],
  ['streams/contracts', `import { a } from '../view/any.js';`, 'streams-contracts-imports-down'],
  ['streams/contracts', `import type { A } from '../view/any.js';`, 'streams-contracts-imports-down'],
  ['streams/util', `import type { A } from '../ranges/any.js';`, 'streams-util-imports-down'],
  ['streams/view', `import { a } from '../index.js';`, 'streams-view-imports-down'],
  ['streams', `import { a } from './view/any.js';`, 'room-of-streams'],
  ['streams/attic', `import { a } from '../view/any.js';`, 'room-of-streams'],
  ['streams/view', `import fs from 'node:fs';`, 'streams-without-node'],
  ['streams/view', `import fs from 'fs';`, 'streams-without-node'],
  ['streams/view', `import BTree from 'sorted-btree';`, 'streams-packages'],
  ['streams/view', `import x from 'not-there';`, 'resolvable'],
  ['binding', `import { a } from '../streams/view/any.js';`, 'one-door-into-streams'],
  ['cli/deep', `import type { A } from '../../streams/view/any.js';`, 'one-door-into-streams'],
  ['binding', `import { T } from '../targets/index.js';`, 'binding-imports-down'],
  ['binding', `import load from 'node-gyp-build';`, 'one-loader-of-the-addon'],
  ['binding', `import { z } from 'zod';`, 'binding-packages'],
  ['targets', `import { main } from '../cli/main.js';`, 'targets-imports-down'],
  ['inspect/page/view', `import { M } from '../../../streams/index.js';`, 'page-imports'],
  ['inspect/page/view', `import { Subject } from 'rxjs';`, 'page-packages'],
  ['inspect/page/model', `import { html } from 'lit/html.js';`, 'page-model-is-pure'],
  ['inspect/server', `import { html } from 'lit/html.js';`, 'inspect-packages'],
  ['cli', `import { a } from '../inspect/page/model/any.js';`, 'page-from-itself'],
  ['cli', `import { T } from '../spec/support/fake.js';`, 'cli-imports-down'],
  ['cli', `import { f } from '../bench/pipeline.js';`, 'cli-imports-down'],
  ['cli', `import { expect } from 'chai';`, 'cli-packages'],
  ['examples', `import { M } from '../streams/index.js';`, 'examples-as-users-write-them'],
  ['bench', `import { f } from '../spec/support/fake.js';`, 'bench-imports-down'],
];

/** The rules that imports of each file break, of a project that is made of the cases. */
async function brokenRules(files: ReadonlyMap<string, string>): Promise<ReadonlyMap<string, readonly string[]>> {
  const folder = temporaryFolder('dma-streams-imports-');
  symlinkSync(join(projectRoot, 'node_modules'), join(folder, 'node_modules'));
  cpSync(join(projectRoot, 'tsconfig.json'), join(folder, 'tsconfig.json'));
  for (const [file, code] of files) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), code);
  }
  const { default: rules } = (await import(pathToFileURL(join(projectRoot, '.dependency-cruiser.js')).href)) as {
    readonly default: IFlattenedRuleSet & { readonly options: ICruiseOptions };
  };
  const { output } = await cruise([...files.keys()], {
    ...rules.options,
    tsConfig: { fileName: join(folder, 'tsconfig.json') },
    baseDir: folder,
    ruleSet: rules,
    validate: true,
  });
  const broken = new Map<string, string[]>();
  for (const { from, rule } of (output as ICruiseResult).summary.violations) {
    broken.set(from, [...(broken.get(from) ?? []), rule.name]);
  }
  return broken;
}

describe('imports between folders', function () {
  // The whole project of cases is looked at, once.
  this.timeout(120_000);

  const files = new Map(STUBS.map((file) => [file, 'export const a = 1;\nexport type A = number;\n']));
  const fileOf = (folder: string, kind: string, index: number): string => `${folder}/${kind}-${index}.ts`;
  let broken: ReadonlyMap<string, readonly string[]>;

  before(async () => {
    ALLOWED.forEach(([folder, code], index) => files.set(fileOf(folder, 'allowed', index), code));
    REFUSED.forEach(([folder, code], index) => files.set(fileOf(folder, 'refused', index), code));
    files.set('streams/view/one.ts', `import type { Two } from './two.js';\nexport type One = Two;`);
    files.set('streams/view/two.ts', `import type { One } from './one.js';\nexport type Two = One;`);
    broken = await brokenRules(files);
  });

  ALLOWED.forEach(([folder, code], index) => {
    it(`are allowed in ${folder}/: ${code}`, () => {
      expect(broken.get(fileOf(folder, 'allowed', index))).to.equal(undefined);
    });
  });

  REFUSED.forEach(([folder, code, rule], index) => {
    it(`are refused in ${folder}/: ${code}`, () => {
      expect(broken.get(fileOf(folder, 'refused', index))).to.include(rule);
    });
  });

  it('form no circle, not even of types', () => {
    expect(broken.get('streams/view/one.ts')).to.deep.equal(['no-circle']);
  });
});

describe('streams/ does without what only Node.js has', function () {
  // Loading the linter takes long on a busy machine.
  this.timeout(60_000);

  /** What this project's rules about globals say of a file; others, which need types, take long. */
  async function complaints(file: string, code: string): Promise<string[]> {
    const config = (await new ESLint().calculateConfigForFile(file)) as Linter.Config;
    const rules = Object.fromEntries(
      Object.entries(config.rules ?? {}).filter(([name]) => name.startsWith('no-restricted-')),
    );
    const linter = new ESLint({
      overrideConfigFile: true,
      overrideConfig: { files: ['**/*.ts'], languageOptions: { parser: tseslint.parser }, rules },
    });
    const [result] = await linter.lintText(code, { filePath: file });
    return (result?.messages ?? []).map(({ message }) => message);
  }

  for (const code of [
    'process.exit(1);',
    'Buffer.alloc(1);',
    'globalThis.process.exit(1);',
    'globalThis.Buffer.from([]);',
  ]) {
    it(code, async () => {
      expect(await complaints('streams/view/view.ts', code)).to.have.length(1);
      expect(await complaints('targets/vfio.ts', code)).to.deep.equal([]);
    });
  }
});
