import { expect } from 'chai';
import type { Observable } from 'rxjs';
import { RegionManager, type Attachment } from '../../../streams/index.js';
import { RecordingTarget, setText } from '../../../testing/index.js';
import { FILE, gate, range } from '../support/phrases.js';

/** What a subscriber gets, as texts. */
function heard(stream$: Observable<unknown>): string[] {
  const said: string[] = [];
  stream$.subscribe({
    next: (value) => said.push(textOf(value)),
    error: () => said.push('error'),
    complete: () => said.push('end'),
  });
  return said;
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) {
    return `list of ${value.length}`;
  }
  const { kind, status, maps, code } = value as Record<string, unknown>;
  return maps === undefined || status !== undefined ? String(kind ?? status ?? code) : setText(value as never);
}

/** What comes within `subscribe`, between a command and its promise, and after the end. */
const STREAMS: readonly {
  readonly name: string;
  readonly of: (manager: RegionManager, attachment: Attachment) => Observable<unknown>;
  readonly atOnce: readonly string[];
  readonly ofCommand: readonly string[];
  readonly afterEnd: readonly string[];
}[] = [
  {
    name: 'events$',
    of: (manager) => manager.events$,
    atOnce: [],
    ofCommand: ['region-added', 'mapping-added', 'region-mapped'],
    afterEnd: ['end'],
  },
  {
    name: 'changes()',
    of: (manager) => manager.changes(),
    atOnce: ['1 snapshot: map 0x0-0x1000 rw'],
    ofCommand: ['2: map 0x4000-0x5000 rw'],
    afterEnd: ['1 snapshot', 'end'],
  },
  {
    name: 'shareable()',
    of: (manager) => manager.shareable(),
    atOnce: ['list of 1'],
    ofCommand: ['list of 2'],
    afterEnd: ['list of 0', 'end'],
  },
  {
    name: 'attachments$',
    of: (manager) => manager.attachments$,
    atOnce: ['list of 1'],
    ofCommand: [],
    afterEnd: ['end'],
  },
  { name: 'warnings$', of: (manager) => manager.warnings$, atOnce: [], ofCommand: [], afterEnd: ['end'] },
  {
    name: 'outcomes$',
    of: (_, attachment) => attachment.outcomes$,
    atOnce: [],
    ofCommand: ['applied'],
    afterEnd: ['end'],
  },
];

describe('A late subscriber', () => {
  for (const { name, of, atOnce, ofCommand, afterEnd } of STREAMS) {
    it(`of ${name} gets what its description says: at once, of the next command, and after the end`, async () => {
      const manager = new RegionManager();
      const attachment = await manager.attach(new RecordingTarget());
      await manager.addRam({ name: 'ram', range: range(0x0, 0x1000), backing: FILE });
      const said = heard(of(manager, attachment));
      expect(said).to.deep.equal(atOnce);
      const adding = manager.addRam({ name: 'more', range: range(0x4000, 0x5000), backing: FILE });
      // Within the call: the target answers at once.
      expect(said).to.deep.equal([...atOnce, ...ofCommand]);
      await adding;
      await manager.close();
      expect(said.at(-1)).to.equal('end');
      const last = heard(of(manager, attachment));
      expect(last.map((text) => text.replace(/^\d+ snapshot.*/, '1 snapshot'))).to.deep.equal(afterEnd);
    });

    it(`of ${name} is told before the promise of a command settles, also where a target answers later`, async () => {
      const { opened, open } = gate();
      const manager = new RegionManager();
      const attachment = await manager.attach(new RecordingTarget({ reply: () => opened }));
      const said = heard(of(manager, attachment));
      const before = said.length;
      const adding = manager.addRam({ name: 'more', range: range(0x4000, 0x5000), backing: FILE });
      expect(said).to.have.length(before);
      open();
      let told = -1;
      await adding.then(() => (told = said.length));
      expect(told - before).to.equal(ofCommand.length);
      await manager.close();
    });
  }
});
