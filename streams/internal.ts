/** What `testing/`, `binding/`, `targets/`, `cli/` and `bench/` share with `streams/`, and users do not see. */
export { sameMapping } from './changes/mapping.js';
export { ERRNO, errnoName } from './contracts/errno.js';
export { toDmaError, withContext, withoutCode } from './contracts/errors.js';
export { PAGE_SHIFT, PAGE_SIZE, PAGE_SIZE_NUMBER, pagesOfBytes, partsOutside } from './ranges/memory-range.js';
export { RangeMap } from './ranges/range-map.js';
export type { Ranged } from './ranges/range-map.js';
export { checkCount, checkObject, checkOneOf, show } from './util/checks.js';
export { printable, readable } from './util/printing.js';
export { SerialQueue } from './util/serial-queue.js';
export { abortError } from './branches/command-errors.js';
export { toAnswer } from './target/answers.js';
export { isPromiseLike } from './util/coroutine.js';
