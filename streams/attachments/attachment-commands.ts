import type { AttachmentHandle } from './attachment-handle.js';
import type { Finding, HealOptions } from '../contracts/finding.js';

/** The commands of an attachment, on its manager's queue. */
export interface AttachmentCommands {
  retryStuck(attachment: AttachmentHandle): Promise<void>;
  verify(attachment: AttachmentHandle): Promise<readonly Finding[]>;
  heal(attachment: AttachmentHandle, options: HealOptions): Promise<void>;
  detach(attachment: AttachmentHandle): Promise<void>;
}
