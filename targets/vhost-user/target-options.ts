import type { MemoryRange } from '../../streams/index.js';

/** Options of a `VhostUserTarget`. */
export interface VhostUserTargetOptions {
  /** Name in errors. Default: `'vhost-user'`. */
  readonly name?: string;
  /**
   * What to do with maps that are not writable. vhost-user has no read-only memory.
   *
   * - `'skip'` (the default): the map succeeds, and the back end does not get the memory. A ROM is no memory for DMA.
   * - `'refuse'`: the map fails.
   * - `'share'`: the back end gets it, and **may write to it**.
   */
  readonly readOnly?: 'skip' | 'refuse' | 'share';
  /**
   * What to do with maps of type `device`. `'skip'` (the default): they fail, and the library skips them. `'share'`: those that lie in a regular file, for
   * example a memfd that emulates a BAR, are shared like RAM; the others fail.
   */
  readonly device?: 'skip' | 'share';
  /**
   * Called before memory is taken away from the back end, with the ranges: before each message that removes regions. When it has returned, or its
   * promise has resolved, no request in these ranges is in progress.
   *
   * **Removal does not wait for requests in progress.** `qemu-storage-daemon` acknowledges the removal while a disk read into the memory
   * is under way. The guest's memory is not harmed, but the read fails, or is reported as done though nothing arrived. And most back ends close the
   * connection when the guest uses memory that they no longer have. So either the guest has given up the memory and all requests in it, or the VMM
   * stops the queues here (GET_VRING_BASE, number 11) and starts them again after the command.
   *
   * It must not wait for a command of the manager, such as `detach()`: that would wait for this one, which waits for it. Nothing limits the
   * time that it takes.
   *
   * If it fails, nothing is sent, and the unmaps fail with its error; it is not called again for the unmaps that follow in the same set.
   */
  readonly beforeUnmap?: (ranges: readonly MemoryRange[]) => void | Promise<void>;
}
