import { accessSync, constants, lstatSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { DmaError } from '../../streams/index.js';
import { ERRNO } from '../../streams/internal.js';
import { systemError } from '../errors.js';

const LONGEST_PATH = 107;

/** The error of a failed connect(2), with a hint. */
export function connectError(errno: number, path: string): DmaError {
  return systemError(errno, { what: `cannot connect to ${path}`, syscall: 'connect', ...connectHint(errno, path) });
}

interface Explanation {
  readonly because?: string | undefined;
  readonly hint?: string | undefined;
}

function connectHint(errno: number, path: string): Explanation {
  switch (errno) {
    case ERRNO.ENOENT:
      return { because: missingPart(path), hint: 'Start the program that listens there, and check the path.' };
    case ERRNO.ECONNREFUSED: {
      const kind = kindOf(path);
      return kind === 'socket'
        ? {
            because: 'nobody listens there',
            hint: 'The program that made this socket has ended, or does not listen yet: start it again.',
          }
        : { because: `it is a ${kind}, not a socket`, hint: 'Pass the path of a socket that a program listens on.' };
    }
    case ERRNO.EACCES:
      return { because: forbiddenPart(path), hint: accessHint(path) };
    case ERRNO.EPROTOTYPE:
      return {
        because: 'it is a socket of another type than SOCK_STREAM',
        hint: 'A program for datagrams or packets listens there. Pass the path of a stream socket.',
      };
    default:
      return pathHint(errno, path);
  }
}

/** The error of a failed bind(2) or listen(2), with a hint. */
export function listenError(errno: number, path: string): DmaError {
  return systemError(errno, { what: `cannot listen at ${path}`, syscall: 'bind', ...listenHint(errno, path) });
}

function listenHint(errno: number, path: string): Explanation {
  switch (errno) {
    case ERRNO.EADDRINUSE: {
      const kind = kindOf(path);
      return {
        because: `there is a ${kind} already`,
        hint:
          kind === 'socket'
            ? `If no program listens there any more, it was left behind: rm ${path}. Which one does: ss -xlp src ${path}.`
            : 'Pass a path where there is nothing.',
      };
    }
    case ERRNO.ENOENT:
      return missingFolder(path);
    case ERRNO.EACCES:
      return {
        because: forbiddenPart(path, constants.W_OK),
        hint: 'Choose a folder that this user may write, such as $XDG_RUNTIME_DIR.',
      };
    default:
      return pathHint(errno, path);
  }
}

/** Why a socket cannot be made at a path, of which some part does not exist. */
function missingFolder(path: string): Explanation {
  const folder = dirname(path);
  if (path.endsWith('/') || statSync(folder, { throwIfNoEntry: false }) !== undefined) {
    return { because: 'no file can be made there', hint: 'Pass the path of a new file in a folder that holds files.' };
  }
  return { because: missingPart(folder), hint: `Create the folder: mkdir -p ${folder}.` };
}

function pathHint(errno: number, path: string): Explanation {
  if (errno === ERRNO.ENAMETOOLONG) {
    return {
      because: `the path has ${Buffer.byteLength(path)} bytes, and the address of a unix socket has room for ${LONGEST_PATH}`,
      hint: 'Use a path relative to the working directory, or a short symbolic link to the folder: ln -s FOLDER /tmp/s.',
    };
  }
  if (errno === ERRNO.ENOTDIR) {
    return { because: `${fileInTheWay(path)} is not a directory`, hint: 'Check the path.' };
  }
  if (errno === ERRNO.EMFILE) {
    return { hint: 'This process has too many open files: see ulimit -n.' };
  }
  return {};
}

/** What is at a path, in words. */
function kindOf(path: string): string {
  const status = statSync(path, { throwIfNoEntry: false });
  switch (true) {
    case status?.isSocket():
      return 'socket';
    case status?.isDirectory():
      return 'directory';
    case status?.isFile():
      return 'regular file';
    case status === undefined:
      return 'symbolic link to nothing';
    default:
      return 'special file';
  }
}

/** The folders of a path, from the root on, and the path itself. */
function partsOf(path: string): readonly string[] {
  const whole = resolve(path);
  const parent = dirname(whole);
  return parent === whole ? [whole] : [...partsOf(parent), whole];
}

/** The first part of a path that is not a folder. */
function fileInTheWay(path: string): string {
  const isFolder = (part: string): boolean => statSync(part, { throwIfNoEntry: false })?.isDirectory() === true;
  return partsOf(path).find((part) => !isFolder(part)) ?? path;
}

function missingPart(path: string): string {
  const missing = partsOf(path).find((part) => lstatSync(part, { throwIfNoEntry: false }) === undefined);
  return missing === undefined ? 'it is a symbolic link to nothing' : `${missing} does not exist`;
}

/** Which part of a path this user has no permission for: to search a folder, or to use what is at its end. */
function forbiddenPart(path: string, lastFolder = constants.X_OK): string | undefined {
  const folders = partsOf(dirname(resolve(path)));
  const last = folders.at(-1);
  for (const folder of folders) {
    const mode = folder === last ? constants.X_OK | lastFolder : constants.X_OK;
    if (!isAllowed(folder, mode)) {
      return `no permission to ${(mode & constants.W_OK) === 0 ? 'search' : 'write'} ${folder}`;
    }
  }
  return isAllowed(path, constants.W_OK) ? undefined : `no permission to write ${path}`;
}

function accessHint(path: string): string {
  return `Connecting needs the permission to search each folder, and to write the socket: ls -ld ${path}. Programs that listen often have an option for its mode or group.`;
}

function isAllowed(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}
