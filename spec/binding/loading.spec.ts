import { expect } from 'chai';
import { copyFileSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { addonFile } from '../../binding/addon.js';
import { temporaryFolder } from '../../lab/temporary-folder.js';
import { ROOT, runChild } from './support/child.js';

/** Of an ELF header: where the processor is, and what it is for arm64. */
const MACHINE = 18;
const AARCH64 = 183;

interface Refusal {
  readonly name: string;
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly isCaused: boolean;
}

/** What each thing that needs the addon throws, in a process whose package has another one. */
function refusals(environment: NodeJS.ProcessEnv, first = ''): readonly Refusal[] {
  const result = runChild(
    `
    ${first}
    const { AddressSpace, Memfd } = await import(BINDING);
    const refusals = [];
    for (const use of [() => Memfd.create('x', 4096n), () => Memfd.from(0, 'x'), () => new AddressSpace({ size: 4096n })]) {
      try { use(); } catch ({ name, code, message, hint, cause }) {
        refusals.push({ name, code, message, hint, isCaused: cause instanceof Error });
      }
    }
    console.log(JSON.stringify(refusals));
    `,
    // Both folders are looked into, also where the specs run on a prebuilt addon.
    { env: { PREBUILDS_ONLY: '', ...environment } },
  );
  expect(result, result.stderr).to.include({ status: 0, signal: null });
  const found = JSON.parse(result.stdout) as readonly Refusal[];
  expect(found).to.have.lengthOf(3);
  expect(found.map(({ name, code, hint }) => [name, code, hint])).to.deep.equal(
    found.map(() => [found[0]?.name, found[0]?.code, found[0]?.hint]),
  );
  return found;
}

/** What is thrown where the addon is a copy of this one, changed. */
function refusalOf(change: (addon: string) => void): Refusal & { readonly addon: string } {
  const folder = temporaryFolder('addon-');
  const addon = join(folder, 'build/Release/dma_streams.node');
  mkdirSync(join(folder, 'build/Release'), { recursive: true });
  copyFileSync(addonFile(), addon);
  change(addon);
  const [refusal] = refusals({ DMA_STREAMS_PREBUILD: folder });
  expect(refusal).to.include({ name: 'DmaError', code: 'ERR_ADDON_UNUSABLE' });
  expect(refusal?.hint).to.contain(`\`npm run build:native\`, in ${ROOT}`);
  return { ...(refusal as Refusal), addon };
}

describe('the addon', () => {
  it('is not loaded before it is needed', () => {
    const result = runChild(`
      const loaded = () => readFileSync('/proc/self/maps', 'utf8').split('\\n').some((line) => /\\/dma_streams[\\w.]*\\.node$/.test(line));
      const { Memfd } = await import(BINDING);
      const before = loaded();
      Memfd.create('x', 4096n).close();
      console.log(before, loaded());
    `);
    expect(result).to.include({ status: 0, stdout: 'false true' }, result.stderr);
  });

  it('that is missing is an error which says how to build it, with what, and what works without', () => {
    const [refusal] = refusals({ DMA_STREAMS_PREBUILD: '/nonexistent' });
    expect(refusal).to.include({ name: 'DmaError', code: 'ERR_ADDON_MISSING', isCaused: true });
    expect(refusal?.message).to.contain(`there is no native addon of dma-streams for linux on ${process.arch}`);
    expect(refusal?.hint)
      .to.contain(`\`npm run build:native\`, in ${ROOT}`)
      .and.contain('apt install g++ make python3')
      .and.contain('LoggingTarget');
  });

  it('does not exist for other systems, where the error says what works', () => {
    const [refusal] = refusals({}, "Object.defineProperty(process, 'platform', { value: 'darwin' });");
    expect(refusal).to.include({ name: 'DmaError', code: 'ERR_LINUX_ONLY' });
    expect(refusal?.message).to.contain('needs Linux, and the system is darwin');
    expect(refusal?.hint).to.contain('LoggingTarget').and.not.contain('build');
  });

  it('for another processor is refused, and the error names both', () => {
    const { message, addon } = refusalOf((file) => {
      const bytes = readFileSync(file);
      bytes.writeUInt16LE(process.arch === 'arm64' ? 62 : AARCH64, MACHINE);
      writeFileSync(file, bytes);
    });
    const other = process.arch === 'arm64' ? 'x64' : 'arm64';
    expect(message).to.contain(`the native addon ${addon} is for ${other}, and this is ${process.arch}`);
  });

  it('that is cut off anywhere is refused, and ends no process', () => {
    // All below the end of its segments. What follows them are symbols for a debugger, of which one that is built with sanitizers has the most.
    for (const size of [0, 3, 63, 64, 200, 4096, 1 << 16, 1 << 18]) {
      const { message } = refusalOf((file) => truncateSync(file, size));
      expect(message, String(size)).to.match(/is (cut off: it has|no shared object|empty)/);
    }
  });

  it('that is something else is refused', () => {
    const { message, addon } = refusalOf((file) =>
      writeFileSync(file, 'version https://git-lfs.example/spec\n'.repeat(9)),
    );
    expect(message).to.contain(`the native addon ${addon} is no shared object`);
  });

  it('that the linker refuses is an error with the words of the linker', () => {
    const { message, addon, isCaused } = refusalOf((file) => {
      const bytes = readFileSync(file);
      // The name of a library that it needs.
      bytes.write('libxyzxyz', bytes.indexOf('libstdc++.so'));
      writeFileSync(file, bytes);
    });
    expect(message).to.contain('the native addon cannot be loaded: ').and.contain(addon).and.contain('libxyzxyz');
    expect(isCaused).to.equal(true);
  });

  it('of another version of the package is refused, and the error names both', () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { readonly version: string };
    const { message, addon } = refusalOf((file) => {
      const bytes = readFileSync(file);
      const text = Buffer.from(`\0${version}\0`);
      expect(bytes.indexOf(text), 'the version in the addon').to.be.above(0);
      bytes.write('9', bytes.indexOf(text) + 1);
      writeFileSync(file, bytes);
    });
    expect(message).to.contain(`${addon} is of version 9${version.slice(1)}, and the package is ${version}`);
  });
});
