import type { Outcome } from '../contracts/change-set.js';
import type { Finding, HealOptions } from '../contracts/finding.js';
import type { DetachOptions } from './attachment.js';

/** The commands of an attachment, which run on the queue of its manager, and who is told of its failures. `H`: what the manager holds of it. */
export interface HandleCommands<H> {
  /** A set has failed. */
  failed(handle: H, outcome: Outcome): void;
  retryStuck(handle: H): Promise<void>;
  verify(handle: H): Promise<readonly Finding[]>;
  heal(handle: H, options: HealOptions): Promise<void>;
  detach(handle: H, options: DetachOptions): Promise<void>;
}
