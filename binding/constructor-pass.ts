import { makersOf } from '../streams/internal.js';

/** First argument of constructors that only this library may call. It is not exported from the package. */
export const PASS = Symbol('made by dma-streams');

/**
 * To be called by the constructor of a class that has said `madeBy`.
 *
 * @throws TypeError that says what makes its objects, if `pass` is not `PASS`
 */
export function checkPass(pass: symbol, type: object & { readonly name: string }): void {
  if (pass !== PASS) {
    const article = /^[AEIOU]/.test(type.name) ? 'an' : 'a';
    throw new TypeError(`${article} ${type.name} is made by ${makersOf(type)}`);
  }
}
