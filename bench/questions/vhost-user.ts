import { join } from 'node:path';
import { PeerProcess } from '../../lab/peer-process.js';
import { temporaryFolder } from '../../lab/temporary-folder.js';
import { BARRIERS_OF_A_SET, VHOST_USER_RATIOS } from '../support/limits.js';
import { buildNative, NativeProgram } from '../support/native-program.js';
import type { Figure, Host, Measured, Parameters, Question, Round, Samples } from '../support/question.js';
import {
  adderByManager,
  adderByTarget,
  addingRound,
  loopRound,
  REGIONS_MAX,
  sharedMemory,
  type Adding,
} from '../support/sharing.js';
import { FigureMaker } from '../support/statistics.js';

interface Shape extends Adding {
  readonly id: string;
  readonly name: string;
  readonly atMost: number;
}

const { oneByOne, sets } = VHOST_USER_RATIOS;
/** qemu-storage-daemon 7.2 takes 32 regions. */
const AT_DAEMON: readonly Shape[] = [
  { id: 'daemon/1', name: 'qemu-storage-daemon, one by one', set: 1, count: 32, repeat: 16, atMost: oneByOne },
  { id: 'daemon/32', name: 'qemu-storage-daemon, sets of 32', set: 32, count: 32, repeat: 32, atMost: sets },
];
const AT_PROGRAM: readonly Shape[] = [
  { id: 'program/64', name: 'C++ back end, sets of 64', set: 64, count: 448, repeat: 2, atMost: sets },
];
const WAYS = { target: 'VhostUserTarget alone', manager: 'by a manager' } as const;
const BARRIERS = 'vhost-user/program/500/barriers';

export const vhostUser: Question = {
  name: 'vhost-user',
  title: 'adding a region at a vhost-user back end, with its barrier',
  about:
    'The time until the back end has the region: ADD_MEM_REG with its ack, and once a set GET_FEATURES with its reply. By calls of VhostUserTarget, and by a ' +
    'manager that it is attached to. Baseline: a C++ program that sends the same messages. Each has a back end, or a connection, of its own. ' +
    'qemu-storage-daemon of Debian 12 takes 32 regions; larger sets go to a C++ program of this bench, which maps the memory and answers at once. ' +
    'Processor time is that of the front end.',

  hosts(quick: boolean): Host[] {
    const often = { rounds: quick ? 3 : 21, warmUps: quick ? 1 : 5 };
    return [
      { name: 'daemon', parameters: { daemon: true }, ...often },
      { name: 'program', parameters: { daemon: false }, ...often },
    ];
  },

  setUp({ daemon }: Parameters): Promise<Measured> {
    return daemon === true ? atDaemon() : atProgram();
  },

  figures(samples: Samples): Figure[] {
    const make = new FigureMaker(samples);
    const shapes = [...AT_DAEMON, ...AT_PROGRAM];
    const ways = Object.entries(WAYS);
    const baseline = { baseline: true };
    return [
      ...shapes.flatMap(({ id: shape, name, atMost }) =>
        ways.flatMap(([way, label]) => {
          const id = idOf(shape, way);
          return make.ratio(`${id}/ratio`, `${name}, ${label}: × C++`, id, idOf(shape, 'loop'), { atMost });
        }),
      ),
      ...make.figure(BARRIERS, `C++ back end, one set of ${REGIONS_MAX}: barriers`, 'requests', {
        atMost: BARRIERS_OF_A_SET,
      }),
      ...shapes.flatMap(({ id: shape, name }) => [
        ...ways.flatMap(([way, label]) => [
          ...make.figure(idOf(shape, way), `${name}, ${label}`, 'µs'),
          ...make.figure(`${idOf(shape, way)}/processor`, `${name}, ${label}, processor time`, 'µs'),
        ]),
        ...make.figure(idOf(shape, 'loop'), `C++: ${name}`, 'µs', baseline),
        ...make.figure(`${idOf(shape, 'loop')}/processor`, `C++: ${name}, processor time`, 'µs', baseline),
      ]),
    ];
  },
};

function idOf(shape: string, way: string): string {
  return `vhost-user/${shape}/${way}`;
}

async function atDaemon(): Promise<Measured> {
  const sockets: string[] = [];
  try {
    for (let index = 0; index < 3; index++) {
      const { socket } = await PeerProcess.start((path) => [
        'qemu-storage-daemon',
        ...['--blockdev', 'driver=null-co,node-name=disk,size=1048576'],
        ...['--export', `type=vhost-user-blk,id=export,node-name=disk,addr.type=unix,addr.path=${path}`],
      ]);
      sockets.push(socket);
    }
  } catch (error) {
    return { cases: {}, warnings: [`NOT MEASURED at qemu-storage-daemon: ${messageOf(error)}`] };
  }
  return casesOf(AT_DAEMON, sockets);
}

async function atProgram(): Promise<Measured> {
  try {
    const socket = join(temporaryFolder('bench-'), 'socket');
    const backEnd = new NativeProgram(buildNative('vhost_user_back_end'), [socket]);
    await backEnd.ask('count');
    const { cases, warnings } = await casesOf(AT_PROGRAM, [socket, socket, socket]);
    return { cases: { ...cases, barriers: await barriersRound(socket, backEnd) }, warnings };
  } catch (error) {
    return { cases: {}, warnings: [messageOf(error)] };
  }
}

/** @param sockets of the target, of the manager, and of the C++ loop */
async function casesOf(
  shapes: readonly Shape[],
  [first = '', second = '', third = '']: readonly string[],
): Promise<{ readonly cases: Readonly<Record<string, Round>>; readonly warnings: readonly string[] }> {
  const memfd = sharedMemory();
  const adders = { target: await adderByTarget(first, memfd), manager: await adderByManager(second, memfd) };
  const rounds = shapes.flatMap((shape) =>
    Object.entries(adders).map(([way, adder]) => addingRound(idOf(shape.id, way), adder, shape)),
  );
  const warnings: string[] = [];
  try {
    const program = new NativeProgram(buildNative('vhost_user_loop'), [third], [memfd.fd]);
    rounds.push(...shapes.map((shape) => loopRound(idOf(shape.id, 'loop'), program, shape)));
  } catch (error) {
    warnings.push(messageOf(error));
  }
  return { cases: Object.fromEntries(rounds.map((round, index) => [`case ${index}`, round])), warnings };
}

/** Counts at the back end. */
async function barriersRound(socket: string, backEnd: NativeProgram): Promise<Round> {
  const adder = await adderByManager(socket, sharedMemory());
  return async () => {
    const [addedBefore = NaN, before = NaN] = await backEnd.ask('count');
    await adder.add(0, REGIONS_MAX);
    const [added = NaN, after = NaN] = await backEnd.ask('count');
    await adder.remove(REGIONS_MAX);
    if (added - addedBefore !== REGIONS_MAX) {
      throw new Error(`the back end has got ${added - addedBefore} regions`);
    }
    return { [BARRIERS]: after - before };
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
