import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { whenParentIsGone } from './parent.js';

let root: string | undefined;

/**
 * Makes an empty folder whose name begins with `prefix`, inside {@link temporaryRoot}. It may be removed at any time, and is removed when
 * this process ends, also when the process is killed.
 */
export function temporaryFolder(prefix: string): string {
  return mkdtempSync(join(temporaryRoot(), prefix));
}

/**
 * The folder of this process in the system's temporary folder, made on first use. It holds all its temporary folders. From then on this
 * process ends when the one that started it does: mocha runs specs in a child process, which it leaves behind when it is killed.
 */
export function temporaryRoot(): string {
  if (root === undefined) {
    const made = mkdtempSync(join(tmpdir(), `dma-streams-${process.pid}-`));
    root = made;
    removeWhenThisProcessEnds(made);
    whenParentIsGone(() => {
      process.kill(process.pid, 'SIGTERM');
    });
    process.once('exit', () => {
      rmSync(made, { recursive: true, force: true });
    });
  }
  return root;
}

/**
 * Starts a shell that waits for the end of its input, which occurs when this process ends for whatever reason, and then removes the folder.
 * It runs in a separate session, so that it receives neither Ctrl-C nor signals to the process group. Child processes may still write to the
 * folder for a moment, so it retries.
 */
function removeWhenThisProcessEnds(folder: string): void {
  const script = 'cat > /dev/null; for n in 1 2 3 4 5 6 7 8 9 10; do rm -rf -- "$1" && exit; sleep 1; done';
  const shell = spawn('/bin/sh', ['-c', script, 'sh', folder], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  shell.unref();
  if (shell.stdin instanceof Socket) {
    shell.stdin.unref();
  }
}
