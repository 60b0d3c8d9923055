import type { Address } from "viem";
import type { ChainClient } from "../../chain/client.ts";
import { hasPreconfirmations } from "../../chain/preconfirmations.ts";
import type { Clock } from "../../clock.ts";

/** How far a block may be ahead of this machine's clock. */
const AHEAD_SECONDS = 10;

/** Warnings for an operator at the start, one sentence each. None keeps a facilitator from starting. */
export async function findWarnings(at: {
  readonly client: ChainClient;
  readonly addresses: readonly Address[];
  readonly batches: boolean;
  readonly clock: Clock;
  readonly maxHeadAgeSeconds: number | undefined;
  /** Whether somebody may be told a success on a preconfirmation. */
  readonly preconfirms: boolean;
}): Promise<readonly string[]> {
  const { client, addresses, clock, maxHeadAgeSeconds } = at;
  const [head, balances] = await Promise.all([
    client.getBlock({ blockTag: "latest" }),
    Promise.all(addresses.map((address) => client.getBalance({ address }))),
  ]);
  const warnings: string[] = [];
  for (const [index, address] of addresses.entries()) {
    if (balances[index] === 0n) warnings.push(`${address} has no ether for gas: it sends nothing until it has some`);
  }
  if (!at.batches) warnings.push("there is no settlement router on this chain: payments settle one by one");
  if (at.preconfirms && (await hasPreconfirmations(client)) === false) {
    warnings.push("the node does not tell of transactions before their block: successes stand on blocks");
  }
  const ageSeconds = Math.floor(clock.now() / 1000) - Number(head.timestamp);
  if (maxHeadAgeSeconds === undefined) return warnings;
  if (ageSeconds > maxHeadAgeSeconds) {
    warnings.push(
      `the node's newest block is ${ageSeconds} s old: the chain has stopped, the node is behind, or this machine's clock is ahead`,
    );
  }
  if (ageSeconds < -AHEAD_SECONDS) {
    warnings.push(
      `the node's newest block is ${-ageSeconds} s in the future: this machine's clock is behind, or the node's is ahead`,
    );
  }
  return warnings;
}
