/** What makes the objects of classes that `new` does not make. */
const MAKERS = new WeakMap<object, string>();

/**
 * Notes what makes the objects of a class whose constructor is not for users.
 *
 * @param makers as a call without its arguments: `'Memfd.create or Memfd.from'`; of an object of another class with its name in small letters,
 * `'iommufd.allocIoas'`
 */
export function madeBy(type: object, makers: string): void {
  MAKERS.set(type, makers);
}

/** What makes the objects of a class: `'Memfd.create or Memfd.from'`, `'new RamBlocks(…)'`. */
export function makersOf(type: object & { readonly name: string }): string {
  return MAKERS.get(type) ?? `new ${type.name}(…)`;
}

/** Whether it is a class, written as one (a method may have the name `class`). Functions that are classes without the keyword cannot be told from others. */
export function isClass(value: unknown): value is object & { readonly name: string } {
  return typeof value === 'function' && /^class[\s{]/.test(Function.prototype.toString.call(value));
}

/** Formats a function for an error message. A class is often a mistake for one of its objects: then says what makes one. */
export function functionText(value: object & { readonly name: string }): string {
  return isClass(value) && value.name !== ''
    ? `the class ${value.name} (did you mean ${makersOf(value)}?)`
    : 'a function';
}

if (typeof AbortSignal === 'function') {
  madeBy(AbortSignal, 'the signal of a new AbortController()');
}
