import { expect } from 'chai';
import { appendFileSync, cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { addonFile } from '../../binding/addon.js';
import {
  hashOfFile,
  hashOfSources,
  prebuildProblems,
  prebuiltFile,
  readManifest,
  writeManifest,
} from '../../lab/prebuild/manifest.js';
import { SOURCES } from '../../lab/prebuild/build-addon.js';
import { replayDemo } from '../../lab/prebuild/machines.js';
import { neededSymbolVersions, unmetSymbolVersions } from '../../lab/prebuild/symbol-versions.js';
import { ARCHITECTURES } from '../../lab/prebuild/toolchain.js';
import { projectRoot } from '../../lab/paths.js';
import { temporaryFolder } from '../../lab/temporary-folder.js';

const ARM64 = prebuiltFile('arm64');

describe('the check of what npm run prebuild made', () => {
  let folder: string;
  beforeEach(() => {
    folder = temporaryFolder('prebuilds-');
    const addons = ARCHITECTURES.map((architecture) => {
      const file = prebuiltFile(architecture);
      mkdirSync(dirname(join(folder, file)));
      writeFileSync(join(folder, file), `the addon for ${architecture}`);
      return { file, sha256: hashOfFile(join(folder, file)), needs: {}, packages: {} };
    });
    writeManifest(folder, { nodeGyp: 'v12', sources: hashOfSources(), addons });
  });

  it('has nothing to say where all addons belong to the present sources', () => {
    expect(prebuildProblems(folder)).to.deep.equal([]);
  });

  it('names an addon that is missing, changed, or not in the manifest', () => {
    appendFileSync(join(folder, ARM64), 'x');
    expect(prebuildProblems(folder)).to.deep.equal([`${ARM64} is not what was built`]);
    rmSync(join(folder, ARM64));
    expect(prebuildProblems(folder)).to.deep.equal([`${ARM64} is not there`]);
    writeFileSync(join(folder, ARM64), 'the addon for arm64');
    const addons = readManifest(folder)?.addons.filter(({ file }) => file !== ARM64) ?? [];
    writeManifest(folder, { nodeGyp: 'v12', sources: hashOfSources(), addons });
    expect(prebuildProblems(folder)).to.deep.equal([`${ARM64} is not there`]);
  });

  it('names addons of other sources, and of another version', () => {
    const change = (fields: object): void => {
      writeFileSync(join(folder, 'manifest.json'), JSON.stringify({ ...readManifest(folder), ...fields }));
    };
    change({ sources: '0'.repeat(64) });
    expect(prebuildProblems(folder)).to.deep.equal(['the sources of the addon have changed since it was built']);
    change({ version: '0.0.1' });
    expect(prebuildProblems(folder)).to.have.lengthOf(1);
    expect(prebuildProblems(folder)[0]).to.contain('those of version 0.0.1, and the package is ');
  });

  it('names what does not belong there, and a manifest that is missing', () => {
    writeFileSync(join(folder, 'linux-x64', 'dma_streams.napi.musl.node'), '');
    expect(prebuildProblems(folder)).to.deep.equal(['linux-x64/dma_streams.napi.musl.node does not belong there']);
    rmSync(join(folder, 'manifest.json'));
    expect(prebuildProblems(folder)).to.deep.equal([`${join(folder, 'manifest.json')} is not there`]);
  });
});

describe('the hash of the sources', () => {
  it('depends on the sources of the addon, and on the scripts that build it', () => {
    const copy = temporaryFolder('sources-');
    const scripts = 'lab/prebuild';
    for (const source of [...SOURCES, scripts]) {
      cpSync(join(projectRoot, source), join(copy, source), { recursive: true });
    }
    const hash = hashOfSources(copy);
    expect(hash).to.equal(hashOfSources());
    const changed = ['binding/src/module.cc', join(scripts, 'toolchain.ts')].map((file) => {
      appendFileSync(join(copy, file), '\n');
      return hashOfSources(copy);
    });
    expect(new Set([hash, ...changed])).to.have.property('size', 3);
  });
});

describe('the demo with prebuilt addons', function () {
  this.timeout(60_000);
  const machine = { node: [process.execPath] };

  it('loads the addon of the folder that is given, and fails with a damaged one', () => {
    const folder = temporaryFolder('prebuilds-');
    const file = join(folder, 'prebuilds', `linux-${process.arch}`, 'dma_streams.napi.glibc.node');
    cpSync(addonFile(), file, { recursive: true });
    expect(replayDemo(machine, folder)).to.match(/\bDMA\b/);
    writeFileSync(file, 'no addon');
    expect(() => replayDemo(machine, folder)).to.throw(file);
  });
});

describe('the symbol versions of an addon', () => {
  it('are read from the file: the newest of each library', () => {
    const needed = neededSymbolVersions(['readelf'], addonFile());
    expect([...needed.keys()]).to.include.members(['GLIBC', 'GLIBCXX', 'CXXABI']);
    for (const [name, version] of needed) {
      expect(version, name).to.match(/^\d+(\.\d+)+$/);
    }
  });

  it('are compared with those of Debian 11, number by number', () => {
    const unmet = (name: string, version: string): readonly string[] => unmetSymbolVersions(new Map([[name, version]]));
    for (const version of ['2.4', '2.31', '2.3.4', '2.17']) {
      expect(unmet('GLIBC', version), version).to.deep.equal([]);
    }
    for (const version of ['2.32', '2.31.1', '2.100', '3.0']) {
      const says = [`needs GLIBC_${version}, and Debian 11 has GLIBC_2.31 at most`];
      expect(unmet('GLIBC', version), version).to.deep.equal(says);
    }
    expect(unmet('GLIBCXX', '3.4.9')).to.deep.equal([]);
    expect(unmet('GLIBCXX', '3.4.29')).to.have.lengthOf(1);
    expect(unmet('GLIBC_ABI_DT_RELR', '')).to.deep.equal(['needs GLIBC_ABI_DT_RELR, which Debian 11 has not']);
  });

  it('are looked for in vain in what is no addon', () => {
    const file = join(temporaryFolder('no-addon-'), 'text');
    writeFileSync(file, 'text');
    expect(() => neededSymbolVersions(['readelf'], file)).to.throw(file);
  });
});
