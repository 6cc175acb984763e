/** First argument of constructors that only this library may call. It is not exported from the package. */
export const PASS = Symbol('made by dma-streams');

/**
 * @param made message that names the class and its factory function: `'a VfioGroup is made by VfioGroup.forDevice'`
 * @throws TypeError if `pass` is not `PASS`
 */
export function checkPass(pass: symbol, made: string): void {
  if (pass !== PASS) {
    throw new TypeError(made);
  }
}
