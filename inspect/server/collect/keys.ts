/** Numbers for what the page knows by a number. They are the same for all pages of one server, also for those that come later. */
export class Keys {
  readonly #keys = new WeakMap<object, number>();
  #last = 0;

  /** A new number, larger than all before. */
  next(): number {
    return ++this.#last;
  }

  /** The number of an object. */
  of(object: object): number {
    let key = this.#keys.get(object);
    if (key === undefined) {
      key = this.next();
      this.#keys.set(object, key);
    }
    return key;
  }
}
