/** The name under which the journal has the block up to which a chain's channels were read. */
export function channelCursor(chainId: number): string {
  return `channels:${chainId}`;
}

/** The name under which the journal has the first block of those that were read. */
export function channelCursorStart(chainId: number): string {
  return `channels-from:${chainId}`;
}
