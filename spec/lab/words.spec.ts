import { expect } from 'chai';
import { wordsOf } from '../../lab/words.js';

describe('the words of a command line', () => {
  for (const [text, words] of [
    ['-device edu,addr=09.0', ['-device', 'edu,addr=09.0']],
    [`  a\t'b  c'\n"d 'e'"f `, ['a', 'b  c', "d 'e'f"]],
    [`'' a\\b`, ['', 'a\\b']],
    ['', []],
    [`a 'b`, undefined],
    ['a "b', undefined],
  ] as const) {
    it(`of ${JSON.stringify(text)} are ${JSON.stringify(words)}`, () => {
      expect(wordsOf(text)).to.deep.equal(words);
    });
  }
});
