/** Small values by name, such as a block cursor. */
export type NoteJournal = {
  readonly cursor: (name: string) => Promise<string | undefined>;
  readonly setCursor: (name: string, value: string) => Promise<void>;
  /** Sets a small value if its name has none yet. It resolves with the value that the name has afterwards. */
  readonly setOnce: (name: string, value: string) => Promise<string>;
  /** Removes a small value if it is still this one. */
  readonly unset: (name: string, value: string) => Promise<void>;
  /**
   * Adds to small values that are whole numbers, 0 at first, each named once. If one would exceed its `most`, none is
   * changed. It resolves with the index of the first such one; undefined if all were added to.
   */
  readonly addWithin: (
    counters: readonly { readonly name: string; readonly amount: number; readonly most: number }[],
  ) => Promise<number | undefined>;
  /**
   * Removes small values whose names begin with `prefix` and sort before `before`. `before` begins with `prefix` too.
   */
  readonly forgetNotes: (prefix: string, before: string) => Promise<void>;
};
