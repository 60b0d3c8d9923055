import { isAddressEqual } from "viem";
import { networkOf } from "../../networks.ts";
import type { FacilitatorPolicy } from "../policy.ts";
import { REASON } from "../reasons.ts";
import type { Ask, Fault } from "./types.ts";

/** The operator's own rules that need neither the chain nor a count: what is served here, and how much at least. */
export function findFault(
  { kind, network, tokens, amount }: Ask,
  policy: FacilitatorPolicy,
  chainId: number,
): Fault | undefined {
  if (!isNetworkOf(network, chainId)) {
    return { reason: REASON.invalidNetwork, message: `this facilitator is on eip155:${chainId}` };
  }
  for (const token of tokens) {
    const asset = policy.assets.find(({ address }) => isAddressEqual(address, token));
    if (asset === undefined) {
      return { reason: REASON.invalidRequirements, message: `the asset ${token} is not settled here` };
    }
    if (amount !== undefined && amount < asset.minimum) {
      const message = `the ${NOUN[kind]} of ${amount} is below the minimum of ${asset.minimum}`;
      return { reason: REASON.invalidRequirements, message };
    }
  }
  return undefined;
}

const NOUN: Readonly<Record<Ask["kind"], string>> = {
  payment: "amount",
  deposit: "deposit",
  claim: "claim",
  sweep: "sweep",
  refund: "refund",
};

/** Whether x402 calls this chain so: by CAIP-2 in v2, by its own name in v1. */
export function isNetworkOf(name: string, chainId: number): boolean {
  return name === `eip155:${chainId}` || name === networkOf(chainId)?.v1Name;
}
