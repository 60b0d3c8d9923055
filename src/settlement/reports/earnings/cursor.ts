/** The name of the journal's cursor for the last block whose channel logs were read on a chain. */
export function channelCursor(chainId: number): string {
  return `channels:${chainId}`;
}

/** The name of the journal's cursor for the first of those blocks. */
export function channelCursorStart(chainId: number): string {
  return `channels-from:${chainId}`;
}
