import { Subscription } from 'rxjs';
import type { Attachment, ChangeSet, MemoryRange, Outcome, Region, RegionManager } from '../../streams/index.js';
import type { SourceStatus } from '../source-status.js';
import type {
  ChangesMessage,
  LogEntry,
  Message,
  Pages,
  WireAnswer,
  WireError,
  WireException,
  WireExceptions,
  WireMapping,
  WireRegion,
  WireStatus,
  WireTarget,
} from '../wire/messages.js';
import type { CheckedOptions } from './inspector-options.js';

const TICK_MS = 100;
const LIST_MAX = 100;
let keys = 0;
const ids = new WeakMap<object, number>();

function keyOf(object: object): number {
  let key = ids.get(object);
  if (key === undefined) {
    ids.set(object, (key = ++keys));
  }
  return key;
}

/** FIRST VERSION: looks at everything at each tick. */
export class Collector implements Disposable {
  readonly #manager: RegionManager;
  readonly #send: (message: Message) => void;
  readonly #all = new Subscription();
  readonly #timer: NodeJS.Timeout;
  readonly #followed = new Map<Attachment, Subscription>();
  #log: LogEntry[] = [];
  #answers: WireAnswer[] = [];
  #regions = new Map<number, WireRegion>();
  #mappings = new Map<number, WireMapping>();
  #targets = new Map<number, WireTarget>();
  #exceptions = new Map<number, Map<string, WireException>>();
  #status: WireStatus | undefined;
  #newStatus: WireStatus | undefined;

  constructor(manager: RegionManager, { status$, problems$ }: CheckedOptions, send: (message: Message) => void) {
    this.#manager = manager;
    this.#send = send;
    const error = (): void => undefined;
    this.#all.add(
      manager.changes().subscribe({
        next: (set) => {
          this.#note(set, 'applied');
        },
        error,
      }),
    );
    this.#all.add(
      manager.warnings$.subscribe({
        next: (warning) => {
          this.#noteText('warning', wireError(warning));
        },
        error,
      }),
    );
    this.#all.add(
      status$?.subscribe({
        next: ({ phase, error: why }: SourceStatus) => {
          this.#newStatus = why === undefined ? { phase } : { phase, error: wireError(why) };
        },
        error,
      }),
    );
    this.#all.add(
      problems$?.subscribe({
        next: ({ text, severity }) => {
          this.#noteText(severity, { message: text });
        },
        error,
      }),
    );
    this.#timer = setInterval(() => {
      this.look();
    }, TICK_MS);
    this.look();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#all.unsubscribe();
    for (const one of this.#followed.values()) {
      one.unsubscribe();
    }
  }

  /** What is known, for a new page. */
  *state(): Iterable<Message> {
    yield {
      ...this.#changes(),
      regions: [...this.#regions.values()],
      mappings: [...this.#mappings.values()],
      targets: [...this.#targets.values()],
      exceptions: [...this.#exceptions].map(([target, all]) => ({ target, added: [...all.values()] })),
      ...(this.#status === undefined ? {} : { status: this.#status }),
    };
  }

  #changes(): ChangesMessage {
    return { type: 'changes', at: Date.now(), generation: this.#manager.snapshot().generation };
  }

  look(): void {
    const regions = new Map(
      this.#manager.regions.map((region): [number, WireRegion] => [keyOf(region), wireRegion(region)]),
    );
    const mappings = new Map(
      this.#manager
        .snapshot()
        .mappings.map(({ range, region, type, writable }): [number, WireMapping] => [
          range.startPage,
          { pages: pagesOf(range), region, type, writable },
        ]),
    );
    const targets = new Map<number, WireTarget>();
    const exceptions = new Map<number, Map<string, WireException>>();
    for (const attachment of this.#manager.attachments) {
      this.#follow(attachment);
      const key = keyOf(attachment);
      const before = this.#targets.get(key);
      const ledger = attachment.ledger();
      const missing = attachment.missing();
      const stuck = ledger.filter((entry) => entry.stuck);
      targets.set(key, {
        key,
        name: attachment.target,
        phase: attachment.phase,
        held: ledger.length,
        heldPages: ledger.reduce((sum, { range }) => sum + pageCount(range), 0),
        stuck: stuck.length,
        missing: missing.length,
        ...(attachment.pending ? { pendingSince: before?.pendingSince ?? Date.now() } : {}),
        ...(stuck.length > 0 ? { stuckSince: before?.stuckSince ?? Date.now() } : {}),
      });
      const all = new Map<string, WireException>();
      const add = (kind: WireException['kind'], range: MemoryRange, region?: string): void => {
        all.set(`${kind} ${range.startPage}`, {
          kind,
          pages: pagesOf(range),
          ...(region === undefined ? {} : { region }),
        });
      };
      const held = new Set(ledger.map(({ range }) => range.startPage));
      for (const { range, region } of stuck) {
        add('stuck', range, region);
      }
      for (const range of missing) {
        add('missing', range);
      }
      for (const { range, region, stuck: isStuck } of ledger) {
        if (!isStuck && !mappings.has(range.startPage)) {
          add('extra', range, region);
        }
      }
      for (const { pages, region } of mappings.values()) {
        if (!held.has(pages[0])) {
          all.set(`absent ${pages[0]}`, { kind: 'absent', pages, region });
        }
      }
      exceptions.set(key, all);
    }
    const message = {
      regions: changed(this.#regions, regions),
      regionsGone: gone(this.#regions, regions),
      mappings: changed(this.#mappings, mappings),
      mappingsGone: gone(this.#mappings, mappings),
      targets: changed(this.#targets, targets),
      targetsGone: gone(this.#targets, targets),
      exceptions: [...exceptions].flatMap(([target, all]): WireExceptions[] => {
        const before = this.#exceptions.get(target) ?? new Map<string, WireException>();
        const added = changed(before, all);
        const lost = gone(before, all).map((key) => {
          const [kind = '', page] = key.split(' ');
          return [kind as WireException['kind'], Number(page)] as const;
        });
        return added.length + lost.length === 0 ? [] : [{ target, added, gone: lost }];
      }),
      log: this.#log,
    };
    for (const attachment of this.#followed.keys()) {
      if (!targets.has(keyOf(attachment))) {
        this.#followed.get(attachment)?.unsubscribe();
        this.#followed.delete(attachment);
      }
    }
    const status = this.#newStatus;
    this.#log = [];
    this.#newStatus = undefined;
    this.#status = status ?? this.#status;
    this.#regions = regions;
    this.#mappings = mappings;
    this.#targets = targets;
    this.#exceptions = exceptions;
    if (status !== undefined || Object.values(message).some((list) => list.length > 0)) {
      const filled = Object.fromEntries(Object.entries(message).filter(([, list]) => list.length > 0));
      this.#send({ ...this.#changes(), ...filled, ...(status === undefined ? {} : { status }) });
    }
  }

  #follow(attachment: Attachment): void {
    if (!this.#followed.has(attachment)) {
      this.#followed.set(
        attachment,
        attachment.outcomes$.subscribe({
          next: (outcome) => {
            this.#answer(outcome);
          },
          error: () => undefined,
        }),
      );
    }
  }

  #answer(outcome: Outcome): void {
    const { target, status, milliseconds, skipped, error, failedAt, undone, generation } = outcome;
    this.#answers.push({
      target,
      status,
      ...(milliseconds === undefined ? {} : { milliseconds }),
      ...(skipped.length === 0 ? {} : { skipped: skipped.length }),
      ...(error === undefined ? {} : { error: wireError(error) }),
      ...(failedAt === undefined ? {} : { failedAt: { pages: pagesOf(failedAt.range), region: failedAt.region } }),
    });
    if (status === 'failed' && (undone !== undefined || failedAt !== undefined)) {
      const maps = failedAt === undefined ? [] : [{ ...failedAt, range: failedAt.range }];
      this.#note({ generation, snapshot: false, unmaps: [], maps: maps as unknown as ChangeSet['maps'] }, 'undone');
    }
  }

  #note({ generation, snapshot, unmaps, maps }: ChangeSet, status: 'applied' | 'undone'): void {
    if (snapshot) {
      return;
    }
    const unmapped = unmaps.flatMap(({ covers, region }) => covers.map((range) => ({ range, region })));
    const sum = (list: readonly { readonly range: MemoryRange }[]): number =>
      list.reduce((all, { range }) => all + pageCount(range), 0);
    const wire = (list: readonly { readonly range: MemoryRange; readonly region: string }[]) =>
      list.slice(0, LIST_MAX).map(({ range, region }) => ({ pages: pagesOf(range), region }));
    this.#log.push({
      kind: 'set',
      key: ++keys,
      at: Date.now(),
      generation,
      sets: 1,
      status,
      maps: wire(maps),
      mapCount: maps.length,
      unmaps: wire(unmapped),
      unmapCount: unmapped.length,
      mapPages: sum(maps),
      unmapPages: sum(unmapped),
      answers: this.#answers,
    });
    this.#answers = [];
  }

  #noteText(severity: 'info' | 'warning' | 'error', error: WireError): void {
    this.#log.push({ kind: 'note', key: ++keys, at: Date.now(), severity, error });
  }
}

function wireError(error: Error): WireError {
  const { code, hint } = error as Partial<Record<'code' | 'hint', unknown>>;
  return {
    message: error.message,
    ...(typeof code === 'string' ? { code } : {}),
    ...(typeof hint === 'string' ? { hint } : {}),
  };
}

function wireRegion(region: Region): WireRegion {
  const { name, range, priority, type, mapped, holes } = region;
  const access = mapped === undefined ? 'unmapped' : mapped.writable ? 'writable' : 'read-only';
  return { key: keyOf(region), name, pages: pagesOf(range), priority, type, access, holes };
}

function pagesOf({ startPage, endPage }: MemoryRange): Pages {
  return [startPage, endPage];
}

function pageCount({ startPage, endPage }: MemoryRange): number {
  return endPage - startPage;
}

function changed<K, V>(before: ReadonlyMap<K, V>, now: ReadonlyMap<K, V>): V[] {
  return [...now].flatMap(([key, value]) => (JSON.stringify(before.get(key)) === JSON.stringify(value) ? [] : [value]));
}

function gone<K, V>(before: ReadonlyMap<K, V>, now: ReadonlyMap<K, V>): K[] {
  return [...before.keys()].filter((key) => !now.has(key));
}
