/** An opaque host virtual address. Only the native code that made it can turn it into a pointer. */
export interface HostVa {
  /** For messages; nothing accepts it back. */
  readonly address: bigint;
}
