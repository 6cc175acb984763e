import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { temporaryFolder } from '../../lab/temporary-folder.js';
import { commandScript } from '../../lab/initramfs.js';
import { closedFolders, unreadableParts } from '../../lab/reach.js';

describe('what other users can reach', () => {
  let root: string;
  beforeEach(() => {
    root = temporaryFolder('reach-');
    mkdirSync(join(root, 'closed', 'open'), { recursive: true });
    writeFileSync(join(root, 'closed', 'open', 'package.json'), '{}');
    chmodSync(root, 0o755);
    chmodSync(join(root, 'closed'), 0o700);
    chmodSync(join(root, 'closed', 'open'), 0o755);
  });
  const inRoot = (folders: readonly string[]): string[] => folders.filter((folder) => folder.startsWith(root));

  it('ends at folders that they may not pass, however far above', () => {
    expect(inRoot(closedFolders([join(root, 'closed', 'open', 'package.json')]))).to.deep.equal([join(root, 'closed')]);
    chmodSync(join(root, 'closed'), 0o711);
    expect(inRoot(closedFolders([join(root, 'closed', 'open', 'package.json')]))).to.deep.equal([]);
  });

  it('ends at folders behind a link, too', () => {
    symlinkSync(join(root, 'closed', 'open'), join(root, 'link'));
    expect(inRoot(closedFolders([join(root, 'link', 'package.json')]))).to.deep.equal([join(root, 'closed')]);
  });

  it('ends at files that they may not read', () => {
    const checkout = join(root, 'closed', 'open');
    chmodSync(join(checkout, 'package.json'), 0o644);
    expect(unreadableParts(checkout)).to.deep.equal([]);
    chmodSync(join(checkout, 'package.json'), 0o600);
    expect(unreadableParts(checkout)).to.deep.equal([join(checkout, 'package.json')]);
  });

  it('is opened in the guest before the command runs, and nothing is where nothing is asked', () => {
    const job = { command: ['true'], cwd: '/', env: {} };
    const file = join(root, 'closed', 'open', 'package.json');
    expect(commandScript({ ...job, reachable: [file] })).to.match(/^chmod o\+x .*'[^']*\/closed'.*\ncd '\/'/m);
    expect(commandScript(job)).to.not.contain('chmod');
  });
});
