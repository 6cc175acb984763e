import { Subscription } from 'rxjs';
import type { RegionManager } from '../../../streams/index.js';
import type { Onlooking } from '../../../streams/internal.js';
import type { CheckedOptions } from '../inspector-options.js';
import { wireText } from '../model/text.js';
import { wireError, wireProblem } from '../model/wire.js';
import { subscribeGuarded } from './guarded.js';
import type { Journal } from './journal.js';

/** Notes from now on what goes wrong, whether a page is open or not: it is rare, and no command is slower for it. */
export function noteProblems(
  manager: RegionManager,
  onlooking: Onlooking,
  { problems$ }: Pick<CheckedOptions, 'problems$'>,
  journal: Journal,
): Subscription {
  const subscriptions = new Subscription();
  const ended = (what: string) => (error: unknown) => {
    const { message, ...others } = wireError(error);
    journal.note('error', { message: wireText(`${what}: ${message}`), ...others });
  };
  subscriptions.add(
    subscribeGuarded(
      onlooking.failures$,
      (failure) => {
        journal.fail(failure);
      },
      ended('a failure cannot be shown'),
    ),
  );
  subscriptions.add(
    subscribeGuarded(
      manager.warnings$,
      (warning) => {
        journal.note('warning', wireError(warning));
      },
      ended('a warning cannot be shown'),
    ),
  );
  if (problems$ !== undefined) {
    subscriptions.add(
      subscribeGuarded(
        problems$,
        (problem) => {
          const { severity, error } = wireProblem(problem);
          journal.note(severity, error);
        },
        ended('problems$ has ended with an error'),
      ),
    );
  }
  return subscriptions;
}
