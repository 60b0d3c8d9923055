import { isAddressEqual, zeroAddress } from "viem";
import { networkOf } from "../../networks.ts";
import { REASON } from "../wire/reasons.ts";
import type { FacilitatorPolicy } from "./policy.ts";
import type { Ask, Fault } from "./types.ts";

export type RuleContext = {
  readonly policy: FacilitatorPolicy;
  readonly chainId: number;
  readonly nowSeconds: bigint;
  /** The smallest amount that is worth its gas now, in atomic units; 0 without such a rule. */
  readonly worthwhile: bigint;
};

/** Checks the operator's rules that need no count: what is served here, and what would waste gas. */
export function findFault(ask: Ask, { policy, chainId, nowSeconds, worthwhile }: RuleContext): Fault | undefined {
  const { kind, network, tokens, amount, payer, payee, deadlineSeconds } = ask;
  if (!isNetworkOf(network, chainId)) return fault(REASON.invalidNetwork, `this facilitator is on eip155:${chainId}`);
  let minimum = worthwhile;
  for (const token of tokens) {
    const asset = policy.assets.find(({ address }) => isAddressEqual(address, token));
    if (asset === undefined) return fault(REASON.invalidRequirements, `the asset ${token} is not settled here`);
    if (asset.minimum > minimum) minimum = asset.minimum;
  }
  if (amount === 0n && movesForPayer(kind)) return fault(VALUE[kind], `a ${NOUN[kind]} of 0 moves nothing`);
  if (amount !== undefined && amount < minimum && kind !== "refund") {
    return fault(REASON.invalidRequirements, `the ${NOUN[kind]} of ${amount} is below the minimum of ${minimum}`);
  }
  if (payee !== undefined && isAddressEqual(payee, zeroAddress)) {
    return fault(REASON.invalidRequirements, "the payee is the zero address, which no token pays");
  }
  if (payee !== undefined && payer !== undefined && isAddressEqual(payer, payee)) {
    return fault(REASON.invalidRequirements, "payer and payee are the same account, so nothing would move");
  }
  const latest = nowSeconds + BigInt(policy.maxValiditySeconds);
  if (deadlineSeconds !== undefined && deadlineSeconds > latest) {
    const message = `it is valid until ${deadlineSeconds}, more than ${policy.maxValiditySeconds} s from now`;
    return fault(VALID_BEFORE[kind], message);
  }
  return undefined;
}

/** Whether this is a name of the chain in x402: its CAIP-2 name (v2), or its v1 name. */
export function isNetworkOf(name: string, chainId: number): boolean {
  return name === `eip155:${chainId}` || name === networkOf(chainId)?.v1Name;
}

function movesForPayer(kind: Ask["kind"]): kind is "payment" | "deposit" {
  return kind === "payment" || kind === "deposit";
}

function fault(reason: string, message: string): Fault {
  return { reason, message };
}

const NOUN: Readonly<Record<Ask["kind"], string>> = {
  payment: "payment",
  deposit: "deposit",
  claim: "claim",
  sweep: "sweep",
  refund: "refund",
};

const VALUE = { payment: REASON.value, deposit: REASON.invalidRequirements } as const;

const VALID_BEFORE: Readonly<Record<Ask["kind"], string>> = {
  payment: REASON.validBefore,
  deposit: "invalid_batch_settlement_evm_payload_authorization_valid_before",
  claim: REASON.invalidRequirements,
  sweep: REASON.invalidRequirements,
  refund: REASON.invalidRequirements,
};
