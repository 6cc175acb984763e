import type { Mappable } from '../../streams/index.js';

/** Above every number that a process can open (`fs.nr_open` is at most 2^30 or so), so that a call by mistake fails. */
const FIRST_FAKE_FD = 0x7000_0000;

let made = 0;

/** Something with a file descriptor that is none: for code which hands mappables on and must not look inside. */
export class FakeMappable implements Mappable {
  readonly label: string;
  declare readonly size?: bigint;
  readonly #fd = FIRST_FAKE_FD + made++;
  #closed = false;

  constructor(label = 'fake', size?: bigint) {
    this.label = label;
    if (size !== undefined) {
      this.size = size;
    }
  }

  get fd(): number {
    if (this.#closed) {
      throw new Error(`mappable "${this.label}" is closed`);
    }
    return this.#fd;
  }

  close(): void {
    this.#closed = true;
  }
}
