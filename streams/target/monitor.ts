/** What an attachment wants to know of, and to stop, while a long set is served. */
export interface Monitor {
  readonly signal: AbortSignal | undefined;
  /** Pages of all maps of a set that is going to be served. */
  readonly onBegin?: (pages: number) => void;
  /** Pages of a map that was served. */
  readonly onServed?: (pages: number) => void;
}
