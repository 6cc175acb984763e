/**
 * Marble tests of the order of events. Two targets behind one operator, of which the second answers each call after two frames of virtual
 * time: maps go to them in order, unmaps in reverse. Then a manager, whose commands are given in virtual time.
 */
import { delay, timer } from 'rxjs';
import { fanOut, RegionManager, toTarget } from 'dma-streams';
import { addRam, marbleTest, RecordingTarget } from 'dma-streams/testing';
const [a, b] = [new RecordingTarget({ name: 'A' }), new RecordingTarget({ name: 'B', reply: () => timer(2) })];
marbleTest(({ cold, sets, expectCalls, expectOutcomes, expectSets }) => {
  const sets$ = sets('0---1|', [{ maps: ['0x0-0x1000'] }, { unmaps: ['0x0-0x1000'] }]).pipe(delay(1));
  expectOutcomes(sets$.pipe(fanOut(toTarget(a), toTarget(b)))).toBe('---0---(1|)', ['1 applied', '2 applied']);
  const calls = ['A: map 0x0-0x1000 rw', 'B: map 0x0-0x1000 rw', 'B: unmap 0x0-0x1000', 'A: unmap 0x0-0x1000'];
  expectCalls(a, b).toBe('-(01)2-3', calls);
  const manager = new RegionManager();
  cold('-a-b', { a: '0x0-0x1000', b: '0x1000-0x2000' }).subscribe((range) => void addRam(manager, range));
  expectSets(manager.changes()).toBe('01-2', ['0 snapshot', '1: map 0x0-0x1000 rw', '2: map 0x1000-0x2000 rw']);
});
console.log('all events came in the expected order, in the expected frames');
