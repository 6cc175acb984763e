import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const KINDS = [
  { mount: '/sys/fs/cgroup', controllers: 'cgroup.controllers', limit: 'memory.max' },
  { mount: '/sys/fs/cgroup/memory', controllers: 'memory.limit_in_bytes', limit: 'memory.limit_in_bytes' },
];

/** A memory cgroup with a limit, that programs can be run in. */
export class MemoryCgroup implements Disposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** `undefined`, and why, where there can be none. */
  static create(limit: bigint): MemoryCgroup | string {
    const kind = KINDS.find(({ mount, controllers }) => existsSync(join(mount, controllers)));
    if (kind === undefined) {
      return 'no memory controller is mounted at /sys/fs/cgroup';
    }
    const folder = join(kind.mount, `dma-streams-spec-${process.pid}`);
    try {
      mkdirSync(folder);
      writeFileSync(join(folder, kind.limit), String(limit));
      return new MemoryCgroup(folder);
    } catch (error) {
      if (existsSync(folder)) {
        rmdirSync(folder);
      }
      return (error as Error).message;
    }
  }

  /** Runs a command in it. For `runChild`. */
  get through(): readonly string[] {
    return ['sh', '-c', `echo $$ > ${this.#folder}/cgroup.procs && exec "$0" "$@"`];
  }

  [Symbol.dispose](): void {
    rmdirSync(this.#folder);
  }
}
