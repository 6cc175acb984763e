import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { projectRoot } from '../../lab/paths.js';
import { temporaryFolder } from '../../lab/temporary-folder.js';
import { packed } from './support/packed-files.js';

/** Entries whose types need no other package than RxJS. */
const PLAIN = ['dma-streams', 'dma-streams/streams', 'dma-streams/testing', 'dma-streams/sources'];
const WITH_NODE = ['dma-streams/binding', 'dma-streams/targets'];
const WITH_OPENTELEMETRY = ['dma-streams/inspect'];

/** How programs are compiled that use the library. The library of types is that of the target, with what browsers have, unless `lib` is given. */
const SETTINGS = {
  'for Node.js': { module: 'nodenext' },
  'for workers of a browser': { module: 'preserve', target: 'es2022', lib: ['es2022', 'webworker'] },
};

describe('the types of the package', function () {
  this.timeout(120_000);
  let folder: string;

  before(() => {
    folder = temporaryFolder('dma-streams-spec-');
    const declarations = packed().files.filter((file) => file.endsWith('.d.ts') || file === 'package.json');
    for (const file of declarations) {
      const to = join(folder, 'node_modules/dma-streams', file);
      mkdirSync(dirname(to), { recursive: true });
      cpSync(join(projectRoot, file), to);
    }
    install('rxjs');
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module' }));
  });

  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  function install(name: string): void {
    cpSync(join(projectRoot, 'node_modules', name), join(folder, 'node_modules', name), { recursive: true });
  }

  /** What the compiler says about a program that imports these entries, with all declarations checked. */
  function complaints(entries: readonly string[], settings: object): string[] {
    const program = entries.map((entry, index) => `export * as entry${index} from '${entry}';`).join('\n');
    writeFileSync(join(folder, 'program.ts'), program);
    const compilerOptions = { noEmit: true, strict: true, skipLibCheck: false, types: [], ...settings };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['program.ts'] }));
    const compiler = join(projectRoot, 'node_modules/typescript/bin/tsc');
    const { stdout } = spawnSync(process.execPath, [compiler, '-p', folder], { cwd: folder, encoding: 'utf8' });
    return stdout.split('\n').filter((line) => line !== '');
  }

  for (const [name, settings] of Object.entries(SETTINGS)) {
    it(`of streams, tests and sources need only RxJS, ${name}`, () => {
      expect(complaints(PLAIN, settings)).to.deep.equal([]);
    });
  }

  it('of the binding and the targets need those of Node.js, and nothing else', () => {
    const missing = complaints(WITH_NODE, SETTINGS['for workers of a browser']);
    expect(missing).to.have.length.of.at.least(1);
    expect(missing.filter((line) => !line.includes("Cannot find name 'Buffer'"))).to.deep.equal([]);
  });

  it('of the inspector need those of OpenTelemetry, and nothing else', () => {
    const missing = complaints(WITH_OPENTELEMETRY, SETTINGS['for workers of a browser']);
    expect(missing).to.have.lengthOf(1);
    expect(missing[0]).to.contain("Cannot find module '@opentelemetry/api'");
  });

  it('are all right where both are installed', () => {
    install('@types/node');
    install('undici-types');
    install('@opentelemetry/api');
    const all = [...PLAIN, ...WITH_NODE, ...WITH_OPENTELEMETRY];
    expect(complaints(all, { module: 'nodenext', types: ['node'] })).to.deep.equal([]);
  });
});
