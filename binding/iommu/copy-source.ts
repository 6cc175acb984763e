/** The source of a copy row of a batch: an `Ioas`. It is a class so that `instanceof` can reject other objects. */
export abstract class CopySource {
  /** Object id in the kernel. */
  abstract readonly id: number;
  /** Mappings can be copied only between IOASes of the same iommufd. */
  abstract readonly iommufd: object;
  /** Number of batches on other threads that map into this IOAS or copy from it. */
  #batches = 0;

  /**
   * @throws DmaError `ERR_CLOSED` if it was destroyed, or its iommufd closed
   * @internal
   */
  abstract checkOpen(): void;

  /**
   * Whether a batch on another thread maps into this IOAS or copies from it.
   *
   * @internal
   */
  get isInUse(): boolean {
    return this.#batches > 0;
  }

  /** @internal */
  beginUse(): void {
    this.#batches += 1;
  }

  /** @internal */
  endUse(): void {
    this.#batches -= 1;
  }
}
