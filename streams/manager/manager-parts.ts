import { AttachmentCommands } from '../attachments/attachment-commands.js';
import { Attachments } from '../attachments/attachments.js';
import type { DmaError } from '../contracts/errors.js';
import { VaOwner } from '../host-addresses/va-owner.js';
import { RegionList } from '../regions/region-list.js';
import { RegionTable } from '../regions/region-table.js';
import { SerialQueue } from '../util/serial-queue.js';
import { callUser } from '../util/user-callback.js';
import { View } from '../view/view.js';
import { AnswerWatch } from './answer-watch.js';
import { ManagerStreams } from './manager-streams.js';
import type { CheckedOptions } from './region-manager-options.js';
import { Transactions } from './transactions.js';

/** The parts of a manager, connected. */
export class ManagerParts {
  readonly queue: SerialQueue;
  readonly view: View;
  readonly streams: ManagerStreams;
  readonly regions = new RegionList();
  readonly attachments = new Attachments();
  readonly attachmentCommands: AttachmentCommands;
  readonly vas: VaOwner;
  readonly transactions: Transactions;
  readonly watch: AnswerWatch;

  /** @throws DmaError `ERR_VA_MAPPER_IN_USE` when the VA mapper belongs to another manager */
  constructor({ vaMapper, onWarning, overlap, warnAfter, callSites }: CheckedOptions) {
    const { regions, attachments } = this;
    const warn = (warning: DmaError): void => {
      callUser(() => onWarning?.(warning));
      this.streams.warn(warning);
    };
    const queue = new SerialQueue(() => {
      this.watch.start();
    }, callSites);
    const table = new RegionTable(overlap);
    const view = new View(table);
    this.queue = queue;
    this.view = view;
    this.streams = new ManagerStreams(queue, view);
    this.watch = new AnswerWatch({
      queue,
      unanswered: () => attachments.all.flatMap(({ unanswered }) => unanswered),
      warn,
      warnAfter,
    });
    this.vas = new VaOwner({ mapper: vaMapper, view, users: attachments, warn });
    this.attachmentCommands = new AttachmentCommands({
      attachments,
      queue,
      table,
      view,
      vas: this.vas,
      vaMapper,
      warn,
      failed: (handle, outcome) => {
        this.streams.failedAt(handle, outcome);
      },
    });
    this.transactions = new Transactions({
      queue,
      table,
      regions,
      view,
      vas: this.vas,
      hasMapper: vaMapper !== undefined,
      attachments,
      attachmentCommands: this.attachmentCommands,
      streams: this.streams,
      warn,
    });
  }
}
