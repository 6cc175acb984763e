import { statSync } from 'node:fs';
import { DmaError } from '../streams/index.js';

const OTHER_CLIENT =
  'QMP serves one client at a time: another one may be connected (libvirt, for example), or QEMU is stopped. Give QEMU a second one with -qmp unix:PATH,server=on,wait=off.';

const NOT_QMP =
  'The socket may be that of the human monitor (-monitor), of a guest agent or of a serial port: give the one of -qmp.';

/** The connection has ended: QEMU has ended, or has closed it. */
export class QmpEnded extends DmaError {
  override readonly name = 'QmpEnded';
  /** Whether a part of an answer had come. */
  readonly isMidAnswer: boolean;

  /** @param hasGreeted whether it is known to be QEMU */
  constructor(path: string, { isMidAnswer, hasGreeted }: { isMidAnswer: boolean; hasGreeted: boolean }, cause?: Error) {
    const who = hasGreeted ? 'QEMU' : 'the other end';
    super(`${path}: ${who} closed the connection${isMidAnswer ? ' in the middle of an answer' : ''}`, {
      code: 'ECONNRESET',
      hint: `QEMU has ended, or was ended: look at its output and its exit status. Then connect again.${hasGreeted ? '' : ` ${NOT_QMP}`}`,
      ...(cause === undefined ? {} : { cause }),
    });
    this.isMidAnswer = isMidAnswer;
  }
}

/** Connecting failed, by the error of Node.js. */
export function connectError(path: string, cause: NodeJS.ErrnoException): DmaError {
  const code = cause.code === 'ECONNREFUSED' && !isSocket(path) ? 'ENOTSOCK' : (cause.code ?? 'EIO');
  const because: Readonly<Record<string, readonly [what: string, hint: string]>> = {
    ENOENT: [
      'there is no such file',
      'Check the path, and whether QEMU still runs: it makes the socket with -qmp unix:PATH,server=on,wait=off.',
    ],
    ENOTSOCK: ['it is not a socket', 'Give the path of the socket of -qmp unix:PATH,server=on,wait=off.'],
    ECONNREFUSED: ['nobody listens on it', 'The QEMU that made this socket has ended: start it again.'],
    EACCES: ['permission denied', 'Run this as the user who started QEMU, or as root.'],
    EAGAIN: ['too many connections wait to be accepted', OTHER_CLIENT],
  };
  const [what, hint] = because[code] ?? [cause.message, undefined];
  return new DmaError(`cannot connect to ${path}: ${what}`, { code, syscall: 'connect', hint, cause });
}

function isSocket(path: string): boolean {
  try {
    return statSync(path).isSocket();
  } catch {
    return true;
  }
}

/** A path that no socket can have. */
export function tooLongError(path: string): DmaError {
  return new DmaError(`cannot connect to ${path}: the path of a socket has at most 107 bytes`, {
    code: 'ENAMETOOLONG',
    syscall: 'connect',
    hint: 'Change to its directory and give a relative path, or make a symbolic link with a short path.',
  });
}

/** Nothing came within the time. */
export function silenceError(path: string, timeout: number, awaited: string | undefined): DmaError {
  return awaited === undefined
    ? new DmaError(`${path} has sent no greeting of QMP for ${timeout} ms`, {
        code: 'ETIMEDOUT',
        hint: `${OTHER_CLIENT} A guest agent sends no greeting either: give the socket of -qmp.`,
      })
    : new DmaError(`${path}: QEMU has not answered ${awaited} for ${timeout} ms`, {
        code: 'ETIMEDOUT',
        hint: 'QEMU hangs or is stopped (SIGSTOP, a debugger), or the machine is overloaded. The connection was closed.',
      });
}

/** What came is no message of QMP. */
export function protocolError(path: string, what: string, isGreeting: boolean): DmaError {
  return new DmaError(`${path}: ${what}`, {
    code: 'EPROTO',
    hint: isGreeting ? NOT_QMP : 'The connection was closed. Connect again; if it happens again, report it to QEMU.',
  });
}

/** QEMU answered with an error. */
export function refusal(path: string, command: string, error: unknown): DmaError {
  const { class: kind, desc } = (typeof error === 'object' && error !== null ? error : {}) as Record<string, unknown>;
  return new DmaError(`${path}: QEMU refuses ${command}: ${String(kind)}: ${String(desc)}`, {
    code: 'EPROTO',
    hint:
      kind === 'CommandNotFound'
        ? 'This is a QMP without this command, such as that of qemu-storage-daemon or a guest agent: give the socket of a virtual machine.'
        : undefined,
  });
}
