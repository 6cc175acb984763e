/** What a row of a batch can copy mappings from: an `Ioas`. A class, so that a look-alike is told apart. */
export abstract class CopySource {
  /** What the kernel knows it by. */
  abstract readonly id: number;
  /** Mappings are copied between the IOASes of one iommufd. */
  abstract readonly iommufd: object;
  /** Batches on other threads that map there or copy from there. */
  #batches = 0;

  /**
   * @throws DmaError `ERR_CLOSED` when it was destroyed, or its iommufd closed
   * @internal
   */
  abstract checkOpen(): void;

  /**
   * Whether a batch on another thread maps there or copies from there.
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
