import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { makeInitramfs, type GuestCommand } from './initramfs.js';
import { temporaryFolder } from './temporary-folder.js';

/** Memory of the guest, in MiB. */
const DEFAULT_MEMORY = 2048;
/** QEMU's cache of translated code, in MiB. */
const TRANSLATION_CACHE = 512;
/** What QEMU needs beside these two, in MiB. */
const OVERHEAD = 256;

/** The memory of the host that a guest may take, in bytes. */
export function memoryForGuest(memory = DEFAULT_MEMORY): number {
  return (memory + TRANSLATION_CACHE + OVERHEAD) * 1024 * 1024;
}

export interface GuestOptions extends GuestCommand {
  /** Path of the kernel image. */
  readonly kernel: string;
  /** In MiB. Default {@link DEFAULT_MEMORY}. */
  readonly memory?: number;
  /** In seconds; then QEMU is killed. Default 180. */
  readonly timeout?: number;
  readonly kernelArguments?: string;
  /** One processor whose clock advances one nanosecond with each instruction, so that an interval of it is a count. Slower. */
  readonly countInstructions?: boolean;
  readonly qemuArguments?: readonly string[];
  readonly qemu?: string;
  /** Ends the guest early. */
  readonly signal?: AbortSignal;
  readonly onStdout: (data: Buffer) => void;
  readonly onStderr: (data: Buffer) => void;
}

/** How the guest ended. Only `exited` contains the result of the command. */
export type GuestEnd =
  | { readonly kind: 'exited'; readonly status: number }
  /** QEMU did not start, or stopped before the kernel ran. */
  | { readonly kind: 'not-started'; readonly detail: string }
  | { readonly kind: 'timed-out'; readonly detail: string }
  | { readonly kind: 'panicked'; readonly detail: string }
  | { readonly kind: 'aborted'; readonly detail: string }
  /** It stopped without a reliable exit status of the command. */
  | { readonly kind: 'lost'; readonly detail: string };

/** Boots the guest, runs the command in it, and returns the result. Temporary files on the host are removed. */
export async function runInGuest(options: GuestOptions): Promise<GuestEnd> {
  const folder = temporaryFolder('dma-streams-lab-');
  const ports: Server[] = [];
  try {
    const initramfs = makeInitramfs(folder, options);
    const paths = { stdout: join(folder, 'stdout'), stderr: join(folder, 'stderr') };
    const stdout = await listen(paths.stdout, options.onStdout, ports);
    const stderr = await listen(paths.stderr, options.onStderr, ports);
    const end = await runQemu(options, initramfs, paths);
    await Promise.all([stdout(), stderr()]);
    return end;
  } finally {
    for (const port of ports) {
      port.close();
    }
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Listens for one of the guest's two output ports. The returned function waits until all received data has been passed on. */
async function listen(path: string, onData: (data: Buffer) => void, ports: Server[]): Promise<() => Promise<void>> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('data', onData);
    socket.on('error', () => undefined);
  });
  ports.push(server);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  return async () => {
    await Promise.all(
      sockets
        .filter((socket) => !socket.closed)
        .map((socket) => new Promise((resolve) => socket.once('close', resolve))),
    );
  };
}

function runQemu(
  options: GuestOptions,
  initramfs: string,
  ports: { readonly stdout: string; readonly stderr: string },
): Promise<GuestEnd> {
  const { timeout = 180, signal } = options;
  if (signal?.aborted === true) {
    return Promise.resolve({ kind: 'aborted', detail: 'before QEMU was started' });
  }
  return new Promise((resolve) => {
    // QEMU is killed when this process ends, for whatever reason.
    const command = ['--pdeathsig', 'KILL', options.qemu ?? 'qemu-system-x86_64'];
    const qemu = spawn('setpriv', [...command, ...qemuArguments(options, initramfs, ports)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let console_ = '';
    let complaints = '';
    let stopped: 'timed-out' | 'aborted' | undefined;
    const stop = (why: 'timed-out' | 'aborted'): void => {
      stopped ??= why;
      qemu.kill('SIGKILL');
    };
    const timer = setTimeout(() => {
      stop('timed-out');
    }, timeout * 1000);
    const onAbort = (): void => {
      stop('aborted');
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    qemu.stdout.on('data', (data: Buffer) => (console_ += data.toString('latin1')));
    qemu.stderr.on('data', (data: Buffer) => (complaints += data.toString()));
    const settle = (end: GuestEnd): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      resolve(end);
    };
    qemu.once('error', (error) => {
      settle({ kind: 'not-started', detail: error.message });
    });
    qemu.once('close', (code) => {
      settle(
        stopped === undefined
          ? judge(code, console_, complaints)
          : { kind: stopped, detail: `after at most ${timeout} s; the console's end:\n${lastLines(console_)}` },
      );
    });
  });
}

/**
 * A status counts only when the serial line and the exit port agree: the line alone could have been written before a panic, and the port
 * alone carries seven bits, and QEMU's own exit 1 would read as 0.
 */
export function judge(code: number | null, serial: string, complaints: string): GuestEnd {
  const said = [...serial.matchAll(/^LAB-EXIT (\d+)\r?$/gm)].at(-1)?.[1];
  const status = Number(said);
  const fault = /^LAB-FAULT (.*?)\r?$/m.exec(serial)?.[1];
  if (fault !== undefined) {
    return { kind: 'lost', detail: `${fault}\n${lastLines(serial)}` };
  }
  if (said !== undefined && status <= 255 && code === (((status << 1) | 1) & 0xff)) {
    return { kind: 'exited', status };
  }
  if (serial.includes('Kernel panic')) {
    return { kind: 'panicked', detail: lastLines(serial) };
  }
  const detail = `QEMU ended with ${String(code)}, the console says ${said ?? 'nothing'}\n${lastLines(complaints)}${lastLines(serial)}`;
  return { kind: serial.includes('LAB-UP') ? 'lost' : 'not-started', detail };
}

function qemuArguments(
  options: GuestOptions,
  initramfs: string,
  ports: { readonly stdout: string; readonly stderr: string },
): string[] {
  const { kernel, memory = DEFAULT_MEMORY, kernelArguments = '', qemuArguments: more = [], out } = options;
  const share = (tag: string, path: string, access: string): string[] => [
    '-virtfs',
    `local,path=${path.replaceAll(',', ',,')},mount_tag=${tag},security_model=none,${access}`,
  ];
  const port = (name: 'stdout' | 'stderr'): string[] => [
    '-chardev',
    `socket,id=${name},path=${ports[name].replaceAll(',', ',,')}`,
    '-device',
    `virtserialport,chardev=${name},name=${name}`,
  ];
  return [
    ...['-M', 'q35,kernel-irqchip=off', '-cpu', 'max', ...processors(options)],
    ...['-m', String(memory), '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-serial', 'stdio', '-monitor', 'none', '-kernel', kernel, '-initrd', initramfs],
    // On a busy host the kernel may consider the emulated timer broken and panic. `no_timer_check` disables that check.
    ...[
      '-append',
      `console=ttyS0 quiet no_timer_check panic=-1 oops=panic intel_iommu=on iommu.strict=1 ${kernelArguments}`,
    ],
    ...['-device', 'intel-iommu,intremap=on,aw-bits=39'],
    ...['-device', 'edu,addr=04.0,dma_mask=0xffffffffffff', '-device', 'edu,addr=05.0,dma_mask=0xffffffffffff'],
    // Two devices with a driver in one IOMMU group: devices behind a conventional PCI bridge share a group.
    ...['-device', 'pcie-pci-bridge,id=bridge,addr=06.0'],
    ...['-device', 'virtio-rng-pci,bus=bridge,addr=01.0', '-device', 'virtio-rng-pci,bus=bridge,addr=02.0'],
    ...['-device', 'isa-debug-exit,iobase=0xf4,iosize=0x04', '-device', 'virtio-serial'],
    ...port('stdout'),
    ...port('stderr'),
    ...share('host', '/', 'readonly=on,multidevs=remap'),
    ...(out === undefined ? [] : share('out', out, 'multidevs=remap')),
    ...more,
  ];
}

/** Counting instructions requires one thread that emulates one processor. While it is idle, its clock advances to the next timer. */
function processors({ countInstructions = false }: GuestOptions): string[] {
  return countInstructions
    ? ['-accel', `tcg,thread=single,tb-size=${TRANSLATION_CACHE}`, '-smp', '1', '-icount', 'shift=0,sleep=off']
    : ['-accel', `tcg,thread=multi,tb-size=${TRANSLATION_CACHE}`, '-smp', '2'];
}

function lastLines(text: string): string {
  return text === '' ? '' : `${text.trimEnd().split('\n').slice(-15).join('\n')}\n`;
}
