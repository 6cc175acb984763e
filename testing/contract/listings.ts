import type { Attachment, DmaMapRequest, MemoryRange } from '../../streams/index.js';
import { show, toAnswer } from '../../streams/internal.js';
import type { CheckBench } from './check-bench.js';
import { CheckScene } from './check-scene.js';
import type { ContractCheck, Traits } from './contract-check.js';
import { listText, thrownText } from './contract-error.js';
import { isHeld } from './look.js';
import type { TestedTarget } from './tested-target.js';

const lists = ({ target }: Traits): boolean => target.mappedRanges !== undefined;
const countsOnly = ({ target }: Traits): boolean => target.mappedCount !== undefined && !lists({ target } as Traits);

/** `mappedRanges` and `mappedCount`, and what `verify()` and `heal()` do with them. */
export const LISTINGS: readonly ContractCheck[] = [
  {
    name: 'lists its maps as they were mapped',
    rule: 'DmaTarget.mappedRanges: returns the ranges that are mapped, as they were mapped: ranges that touch are not merged',
    applies: lists,
    async run(bench) {
      const tested = await bench.makeTarget();
      await expectList(bench, tested);
      await tested.mapEach([bench.mapAt(0), bench.mapAt(1, 2), bench.mapAt(3), bench.mapAt(7)]);
      await expectList(bench, tested);
      await tested.unmap(bench.at(1, 2));
      await expectList(bench, tested);
      await tested.empty();
      await expectList(bench, tested);
    },
  },
  {
    name: 'counts its maps',
    rule: 'DmaTarget.mappedCount: returns the number of maps; undefined when it is not known now',
    applies: ({ target }) => target.mappedCount !== undefined,
    async run(bench) {
      const tested = await bench.makeTarget();
      const others = (await countOf(bench, tested)) ?? 0;
      for (const change of [bench.mapAt(0), bench.mapAt(1, 4), bench.mapAt(8)]) {
        await tested.map(change);
        await expectCount(bench, tested, others);
      }
      for (const range of tested.mapped) {
        await tested.unmap(range);
        await expectCount(bench, tested, others);
      }
    },
  },
  {
    name: 'refuses with EEXIST to map a range that is mapped, and changes nothing',
    rule: 'DmaTarget.mappedCount: mapDma of a range that is already mapped must fail with the code EEXIST and change nothing',
    applies: countsOnly,
    async run(bench) {
      const tested = await bench.makeTarget();
      await tested.mapEach([bench.mapAt(0), bench.mapAt(1, 2)]);
      const request: DmaMapRequest = tested.requestOf(bench.mapAt(1, 2));
      const code = await tested.attempt('mapDma', request, () => 'nothing').catch(codeOf);
      if (code !== 'EEXIST') {
        const how = code === 'nothing' ? 'it succeeded' : `it failed with ${code}`;
        throw bench.steps.breach(`mapDma of ${request.range}, which is mapped, must fail with EEXIST, but ${how}`);
      }
      await tested.holdsMapped();
      await tested.empty();
      await tested.holdsMapped();
    },
  },
  {
    name: 'has nothing for verify() to find',
    rule: 'Attachment.verify: what the target lists or counts is what its ledger says',
    applies: ({ target }) => target.mappedRanges !== undefined || target.mappedCount !== undefined,
    async run(bench) {
      const { scene, attachment } = await attached(bench);
      await expectFindings(bench, attachment, []);
      await scene.command('replace two mappings by one, and add one', (edit) => {
        scene.remove(edit, bench.at(0, 3));
        scene.add(edit, bench.mapAt(0, 3));
        scene.add(edit, bench.mapAt(10));
      });
      await expectFindings(bench, attachment, []);
      await scene.run('unmap the region', () => scene.ram.unmap());
      await expectFindings(bench, attachment, []);
    },
  },
  {
    name: 'is healed when a map is lost',
    rule: 'Attachment.heal: maps again what the target has lost, without the knowledge of the manager',
    applies: ({ target }) => target.mappedRanges !== undefined || target.mappedCount !== undefined,
    async run(bench) {
      const { tested, scene, attachment } = await attached(bench);
      await tested.call('unmapDma', bench.at(2));
      bench.steps.begin('verify()');
      if ((await attachment.verify()).length === 0) {
        throw bench.steps.breach(`verify() must find that ${bench.at(2)} is lost, but it found nothing`);
      }
      await scene.run('heal()', () => attachment.heal());
      await tested.holds(scene.active);
      await expectFindings(bench, attachment, []);
    },
  },
  {
    name: 'is healed when it has a map too many',
    rule: 'Attachment.heal: unmaps what the target lists and the ledger does not have',
    applies: lists,
    async run(bench) {
      const { tested, scene, attachment } = await attached(bench);
      await tested.map(bench.mapAt(30, 2));
      await expectFindings(bench, attachment, [`unexpected ${bench.at(30, 2)}`]);
      await scene.run('heal()', () => attachment.heal());
      await tested.holds(scene.active);
      await expectFindings(bench, attachment, []);
    },
  },
];

interface Attached {
  readonly tested: TestedTarget;
  readonly scene: CheckScene;
  readonly attachment: Attachment;
}

/** A target that is attached and has four maps. */
async function attached(bench: CheckBench): Promise<Attached> {
  const tested = await bench.makeTarget();
  const scene = await CheckScene.create(bench);
  const attachment = await scene.attach(tested);
  await scene.command('add four mappings', (edit) => {
    [bench.mapAt(0), bench.mapAt(1), bench.mapAt(2), bench.mapAt(6, 2)].forEach((change) => {
      scene.add(edit, change);
    });
  });
  return { tested, scene, attachment };
}

async function expectFindings(bench: CheckBench, attachment: Attachment, expected: readonly string[]): Promise<void> {
  bench.steps.begin('verify()');
  const findings = await attachment.verify().catch((error: unknown) => {
    throw bench.steps.breach(`verify() must succeed, but failed: ${thrownText(error)}`, error);
  });
  const found = findings.map(({ fault, range }) => `${fault} ${range}`);
  if (found.join() !== expected.join()) {
    const should = expected.length === 0 ? 'nothing' : expected.join(', ');
    throw bench.steps.breach(`verify() must find ${should}, but it found ${found.join(', ') || 'nothing'}`);
  }
}

async function expectList(bench: CheckBench, { target, mapped }: TestedTarget): Promise<void> {
  bench.steps.begin('mappedRanges()');
  const listed: unknown = await toAnswer(target.mappedRanges?.());
  if (!Array.isArray(listed) || !isHeld(listed)) {
    throw bench.steps.breach('mappedRanges() must return an array of MemoryRange, or a promise or observable of one');
  }
  const [is, should] = [listed, mapped].map((ranges: readonly MemoryRange[]) =>
    listText(ranges.toSorted((a, b) => a.startPage - b.startPage || a.endPage - b.endPage)),
  );
  if (is !== should) {
    throw bench.steps.breach(`mappedRanges() must list ${should}, as they were mapped, but it lists ${is}`);
  }
}

/** The number of maps that the target counts, if it knows it. */
async function countOf(bench: CheckBench, { target }: TestedTarget): Promise<number | undefined> {
  bench.steps.begin('mappedCount()');
  const count: unknown = await toAnswer(target.mappedCount?.());
  if (!isHeld(count) || Array.isArray(count)) {
    throw bench.steps.breach(`mappedCount() must return a number of maps or undefined, but it returned ${show(count)}`);
  }
  return count as number | undefined;
}

async function expectCount(bench: CheckBench, tested: TestedTarget, others: number): Promise<void> {
  const count = await countOf(bench, tested);
  const should = tested.mapped.length + others;
  if (count !== undefined && count !== should) {
    throw bench.steps.breach(`mappedCount() must return ${should}, but it returned ${count}`);
  }
}

function codeOf(error: unknown): string {
  const { code } = error as { readonly code?: unknown };
  return typeof code === 'string' ? code : thrownText(error);
}
