import { existsSync, mkdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { BindOutput } from '../../../cli/bind/bind.js';
import type { DriverSystem } from '../../../cli/bind/driver-system.js';
import { shellCommand, type BindStep } from '../../../binding/iommu/bind-steps.js';
import { FakeMachine, type FakeDevice } from '../doctor/fake-machine.js';

/** A kernel that changes drivers in the folders of a machine, as sysfs does. It can fail at any step. */
export class FakeKernel extends FakeMachine implements DriverSystem {
  isRoot = true;
  /** The commands of the steps that were performed, or failed. */
  readonly performed: string[] = [];
  /** Called before a step, with its number, counted from 0. What it throws is the failure of the step. */
  before: (number: number, step: BindStep) => void = () => undefined;
  /** The driver that a device gets without an override. */
  readonly #natural = new Map<string, string>();

  override device(address: string, device: FakeDevice = {}, natural = device.driver): void {
    super.device(address, device);
    this.file('sys', `bus/pci/devices/${address}/driver_override`, '(null)\n');
    if (natural !== undefined) {
      this.#natural.set(address, natural);
    }
    for (const driver of [device.driver, natural]) {
      if (driver !== undefined) {
        mkdirSync(this.#driver(driver), { recursive: true });
      }
    }
  }

  vanish(address: string): void {
    rmSync(this.#folder(address), { recursive: true });
  }

  /** Driver and override of a device. */
  state(address: string): string {
    return existsSync(this.#folder(address))
      ? `${this.#driverOf(address) ?? 'none'}, ${this.#override(address)}`
      : 'gone';
  }

  perform(step: BindStep): Promise<void> {
    const number = this.performed.push(shellCommand(step)) - 1;
    try {
      this.before(number, step);
      this.#apply(step);
      return Promise.resolve();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Runs commands as a shell of root would. */
  run(commands: string): void {
    for (const command of commands.split(/; |\n/)) {
      const [, line, path] = /^echo (?:(\S+) )?> (\S+)$/.exec(command) ?? [];
      const module = /^modprobe (\S+)$/.exec(command)?.[1];
      if (module !== undefined) {
        this.#apply({ kind: 'load', module });
      } else if (path !== undefined) {
        this.#apply({ kind: 'write', path, line: line ?? '' });
      } else {
        throw new Error(`not a command: ${command}`);
      }
    }
  }

  #apply(step: BindStep): void {
    if (step.kind === 'load') {
      mkdirSync(this.#driver(step.module), { recursive: true });
      return;
    }
    const { path, line } = step;
    const name = basename(path);
    if (name === 'driver_override') {
      if (!existsSync(path)) {
        throw Object.assign(new Error(`ENOENT: no such file or directory, open '${path}'`), { code: 'ENOENT' });
      }
      writeFileSync(path, `${line === '' ? '(null)' : line}\n`);
    } else if (name === 'unbind') {
      this.#release(line);
    } else if (name === 'bind') {
      this.#bind(line, basename(dirname(path)));
    } else if (name === 'drivers_probe') {
      const override = this.#override(line);
      const driver = override === '(null)' ? this.#natural.get(line) : override;
      if (driver !== undefined && this.#driverOf(line) === undefined) {
        this.#bind(line, driver);
      }
    } else {
      throw new Error(`no such file: ${path}`);
    }
  }

  #release(address: string): void {
    rmSync(join(this.#folder(address), 'driver'));
    rmSync(join(this.#folder(address), 'vfio-dev'), { recursive: true, force: true });
  }

  #bind(address: string, driver: string): void {
    if (!existsSync(this.#folder(address)) || !existsSync(this.#driver(driver))) {
      throw Object.assign(new Error('ENODEV: no such device, write'), { code: 'ENODEV' });
    }
    symlinkSync(`../../../bus/pci/drivers/${driver}`, join(this.#folder(address), 'driver'));
    if (driver === 'vfio-pci') {
      mkdirSync(join(this.#folder(address), 'vfio-dev/vfio0'), { recursive: true });
    }
  }

  #folder(address: string): string {
    return join(this.roots.sys, 'bus/pci/devices', address);
  }

  #driver(name: string): string {
    return join(this.roots.sys, 'bus/pci/drivers', name);
  }

  #driverOf(address: string): string | undefined {
    const link = join(this.#folder(address), 'driver');
    try {
      return basename(readlinkSync(link));
    } catch {
      return undefined;
    }
  }

  #override(address: string): string {
    return readFileSync(join(this.#folder(address), 'driver_override'), 'utf8').trim();
  }
}

/** Collects the lines of a result. */
export class Lines implements BindOutput {
  readonly lines: string[] = [];
  readonly waited: string[] = [];
  line(text: string): void {
    this.lines.push(text);
  }
  waiting(command: string): void {
    this.waited.push(command);
  }
}
