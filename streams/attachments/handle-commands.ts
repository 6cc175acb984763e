import type { Finding, HealOptions } from '../contracts/finding.js';
import type { DetachOptions } from './attachment.js';

/** The commands of an attachment. They run on the queue of its manager. `H`: what the manager holds of it. */
export interface HandleCommands<H> {
  retryStuck(handle: H): Promise<void>;
  verify(handle: H): Promise<readonly Finding[]>;
  heal(handle: H, options: HealOptions): Promise<void>;
  detach(handle: H, options: DetachOptions): Promise<void>;
}
