import type { Finding, HealOptions } from '../contracts/finding.js';

/** The commands of an attachment, on its manager's queue. `Handle` is what its manager knows it by. */
export interface AttachmentCommands<Handle> {
  retryStuck(attachment: Handle): Promise<void>;
  verify(attachment: Handle): Promise<readonly Finding[]>;
  heal(attachment: Handle, options: HealOptions): Promise<void>;
  detach(attachment: Handle): Promise<void>;
}
