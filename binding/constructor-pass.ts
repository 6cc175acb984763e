/** What the constructors of classes ask for that only functions of this library make: nobody else has it. */
export const PASS = Symbol('made by dma-streams');

/**
 * @param made what is made, and by which function: `'a VfioGroup is made by VfioGroup.forDevice'`
 * @throws TypeError when it is not the pass
 */
export function checkPass(pass: symbol, made: string): void {
  if (pass !== PASS) {
    throw new TypeError(made);
  }
}
