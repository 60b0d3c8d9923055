/** Small values by name, such as a block cursor. */
export type NoteJournal = {
  readonly cursor: (name: string) => Promise<string | undefined>;
  readonly setCursor: (name: string, value: string) => Promise<void>;
  /** Sets a small value where its name has none yet; resolves with the one that the name has then. */
  readonly setOnce: (name: string, value: string) => Promise<string>;
  /** Removes a small value where it is still this one. */
  readonly unset: (name: string, value: string) => Promise<void>;
  /**
   * Adds to small values that are whole numbers, 0 at first and each named once: to all of them, or, where one would come
   * above its `most`, to none. It resolves with the place of the first of those, undefined where all were added to.
   */
  readonly addWithin: (
    counters: readonly { readonly name: string; readonly amount: number; readonly most: number }[],
  ) => Promise<number | undefined>;
  /** Removes small values whose names begin with `prefix` and sort before `before`, which begins with it too. */
  readonly forgetNotes: (prefix: string, before: string) => Promise<void>;
};
