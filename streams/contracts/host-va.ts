/** An opaque host virtual address. Only the native code that created it can convert it to a pointer. */
export interface HostVa {
  /** For messages only: no function takes it. */
  readonly address: bigint;
}
