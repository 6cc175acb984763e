import type { VhostUserConnectionOptions, VhostUserTargetOptions } from '../../targets/index.js';

/** What `vhost-user:SOCKET[,SETTING]…` asks for. */
export interface BackEndOptions {
  /** Of the socket that the back end listens at. */
  readonly path: string;
  readonly connection: Pick<VhostUserConnectionOptions, 'timeout'>;
  readonly target: Pick<VhostUserTargetOptions, 'readOnly' | 'device'>;
}

const READ_ONLY = ['skip', 'refuse', 'share'] as const;
const DEVICE = ['skip', 'share'] as const;

/** In seconds. */
const LONGEST_TIMEOUT = 86_400;

const SETTINGS =
  `the settings are read-only=${READ_ONLY.join('|')}, device=${DEVICE.join('|')} and timeout=SECONDS. ` +
  'If the path has a comma, give a symbolic link to the socket';

/**
 * Reads the path and the settings, in any order: `/run/disk.sock,read-only=share,timeout=2.5`.
 *
 * @param text what follows `vhost-user:`
 * @throws RangeError saying which part is wrong, and what can be given
 */
export function parseBackEndOptions(text: string): BackEndOptions {
  const [path = '', ...parts] = text.split(',');
  if (path === '') {
    throw new RangeError('the path of the socket is empty');
  }
  const given = new Set<string>();
  let connection: BackEndOptions['connection'] = {};
  let target: BackEndOptions['target'] = {};
  for (const part of parts) {
    const equals = part.indexOf('=');
    const key = equals === -1 ? part : part.slice(0, equals);
    const value = equals === -1 ? '' : part.slice(equals + 1);
    if (given.has(key)) {
      throw new RangeError(`${JSON.stringify(part)} is the second of its kind: give it once`);
    }
    given.add(key);
    switch (key) {
      case 'read-only':
        target = { ...target, readOnly: oneOf(READ_ONLY, value, part) };
        break;
      case 'device':
        target = { ...target, device: oneOf(DEVICE, value, part) };
        break;
      case 'timeout':
        connection = { timeout: millisecondsOf(value) };
        break;
      default:
        throw new RangeError(`there is no setting ${JSON.stringify(part)} of a back end: ${SETTINGS}`);
    }
  }
  return { path, connection, target };
}

function oneOf<T extends string>(known: readonly T[], value: string, part: string): T {
  const found = known.find((one) => one === value);
  if (found === undefined) {
    throw new RangeError(`${JSON.stringify(part)}: it can be ${known.join(', ')}`);
  }
  return found;
}

function millisecondsOf(value: string): number {
  const milliseconds = Math.round(Number(value) * 1000);
  if (!/^[0-9]+(\.[0-9]+)?$/.test(value) || milliseconds < 1 || milliseconds > LONGEST_TIMEOUT * 1000) {
    throw new RangeError(
      `timeout ${JSON.stringify(value)} is not a time limit: give seconds, from 0.001 to ${LONGEST_TIMEOUT}`,
    );
  }
  return milliseconds;
}
