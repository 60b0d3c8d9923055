/** An entry of a facilitator's catalogue, as text that this journal does not read. */
export type ResourceRow = { readonly key: string; readonly value: string; readonly updatedAtMs: number };

/** The resources of a facilitator's catalogue. */
export type CatalogueJournal = {
  /**
   * Keeps a resource of a catalogue under its key, and of all whose key begins with `among` (an empty text where it is left
   * out) the `most` that were kept last.
   */
  readonly keepResource: (resource: ResourceRow, most: number, among?: string) => Promise<void>;
  /** All kept resources, or those with these keys, the one that was kept last first. */
  readonly resources: (keys?: readonly string[]) => Promise<readonly ResourceRow[]>;
};
