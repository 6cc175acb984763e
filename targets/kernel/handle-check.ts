import { checkObject } from '../../streams/internal.js';

/**
 * Checks that the first argument of a target is a handle of the kind that it needs: an object with a method of such handles.
 *
 * @param kind as it is called in the error: `'a VfioContainer'`
 * @throws TypeError
 */
export function checkHandle(handle: unknown, method: string, kind: string, what: string): void {
  checkObject(handle, what);
  if (typeof Reflect.get(handle, method) !== 'function') {
    const type: unknown = Reflect.get(handle, 'constructor');
    const given =
      typeof type === 'function' && !['', 'Object'].includes(type.name) ? `a ${type.name}` : 'another object';
    throw new TypeError(`${what}: ${kind} is needed, not ${given}`);
  }
}
