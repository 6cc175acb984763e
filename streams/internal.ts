/** What `testing/`, `binding/`, `targets/`, `cli/` and `bench/` share with `streams/`, and users do not see. */
export { sameMapping } from './changes/mapping.js';
export { ERRNO, errnoName } from './contracts/errno.js';
export { toDmaError, withContext, withoutCode } from './contracts/errors.js';
export {
  noRangeError,
  PAGE_SHIFT,
  PAGE_SIZE,
  PAGE_SIZE_NUMBER,
  pagesOfBytes,
  partsOutside,
} from './ranges/memory-range.js';
export { RangeMap } from './ranges/range-map.js';
export type { Ranged } from './ranges/range-map.js';
export {
  checkCallback,
  checkCount,
  checkFunction,
  checkNames,
  checkObject,
  checkOneOf,
  checkOptions,
  isObject,
  show,
} from './util/checks.js';
export { toByteCount, toBytes } from './util/bytes.js';
export { isClass, madeBy, makersOf } from './util/classes.js';
export { printable, readable } from './util/printing.js';
export { SerialQueue } from './util/serial-queue.js';
export { abortError } from './branches/command-errors.js';
export { toAnswer } from './target/answers.js';
export { isPromiseLike } from './util/coroutine.js';
export { checkManager } from './manager/check-manager.js';
export { onlookingOf } from './manager/onlooking.js';
export type { Onlooking } from './manager/onlooking.js';
export type { Failure } from './manager/manager-streams.js';
export type { AttachmentHandle } from './attachments/attachment-handle.js';
export type { RegionState } from './regions/region-state.js';
export type { Ledger } from './target/ledger.js';
export { entriesFrom } from './ranges/entries-from.js';
export { heldAtAll, holdsActive } from './target/ledger-look.js';
