/** Prints, as JSON, what `enteredFiles` finds in `walked/`: a program, because breakpoints and coverage belong to a process. */
import { enteredFiles } from '../../bench/walk/entered.js';
import { continued, empty } from './walked/and-back.js';
import { outer, small } from './walked/outer.js';

const generator = continued();
generator.next();
// Enough for V8 to compile and inline.
for (let count = 0; count < 100_000; count++) {
  outer();
  small();
}
const files = await enteredFiles('spec/bench/walked', async () => {
  outer();
  await Promise.resolve();
  generator.next();
  empty();
});
console.log(JSON.stringify(files));
