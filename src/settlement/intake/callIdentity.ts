/** The identity of a call in the journal: its caller's key, on one chain. */
export function callIdentity(chainId: number, key: string): string {
  return `call:${chainId}:${key}`;
}
