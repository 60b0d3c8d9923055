/** An entry of a facilitator's catalogue. Its value is text that the journal does not interpret. */
export type ResourceRow = { readonly key: string; readonly value: string; readonly updatedAtMs: number };

/** The resources of a facilitator's catalogue. */
export type CatalogueJournal = {
  /**
   * Keeps a catalogue's resource under its key. Of all resources whose key begins with `among` (empty by default), only
   * the `most` that were kept last remain.
   */
  readonly keepResource: (resource: ResourceRow, most: number, among?: string) => Promise<void>;
  /** All kept resources, or those with these keys. The one that was kept last comes first. */
  readonly resources: (keys?: readonly string[]) => Promise<readonly ResourceRow[]>;
};
