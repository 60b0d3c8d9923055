import type { Address } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { randomNonce, signAuthorization } from "../authorization/sign.ts";
import type { SignedAuthorization } from "../authorization/types.ts";
import type { ChainClient } from "../chain/client.ts";
import { preflightAuthorization, preflightBatch } from "../chain/sending/preflight.ts";
import { ROUTER_ADDRESS } from "../deployment.ts";
import type { TokenDomain } from "../networks.ts";
import { encodeSettle } from "../router/encode.ts";
import type { Refusal } from "../router/reason.ts";
import { checked } from "./ask.ts";
import { type DoctorCheck, failed, passed } from "./report.ts";

/** Enough for a transfer by any EIP-3009 token, and for the batch around two of them. */
const ITEM_GAS = 200_000n;
const CALL_GAS = 1_000_000n;
const VALID_FOR_SECONDS = 3_600n;

/** The payments that the doctor tries: two from a key that was made for this and owns nothing. */
export type Probe = {
  /** Value 0: settles if signature, domain and token fit. */
  readonly free: SignedAuthorization;
  /** Value 1: refused because there is no balance, which the token checks last. */
  readonly unfunded: SignedAuthorization;
};

/** Signs a probe. */
export async function makeProbe(chainId: number, token: Address, domain: TokenDomain, now: bigint): Promise<Probe> {
  const payer = privateKeyToAccount(generatePrivateKey());
  const terms = {
    chainId,
    token,
    from: payer.address,
    to: privateKeyToAccount(generatePrivateKey()).address,
    validAfter: 0n,
    validBefore: now + VALID_FOR_SECONDS,
  };
  const [free, unfunded] = await Promise.all([
    signAuthorization(payer, { authorization: { ...terms, value: 0n, nonce: randomNonce() }, domain }),
    signAuthorization(payer, { authorization: { ...terms, value: 1n, nonce: randomNonce() }, domain }),
  ]);
  return { free, unfunded };
}

/**
 * Whether an overload of the token's `transferWithAuthorization` takes the probe's signature and then misses the
 * balance.
 */
export function checkOverload(client: ChainClient, probe: Probe, overload: "vrs" | "bytes"): Promise<DoctorCheck> {
  const name = overload === "vrs" ? "overload (v, r, s)" : "overload bytes";
  return checked(name, async () => {
    const { unfunded } = probe;
    const refusal = await preflightAuthorization(client, unfunded, { gasAllowance: ITEM_GAS, overload });
    return judgeRefusal(name, refusal);
  });
}

export function judgeRefusal(name: string, refusal: Refusal | undefined): DoctorCheck {
  if (refusal?.reason === "underfunded") return passed(name, "took the signature, refused for want of a balance");
  const found = refusal === undefined ? "moved tokens that the payer does not have" : `refused: ${refusal.message}`;
  const fix =
    refusal?.reason === "bad-signature"
      ? "The token verifies another EIP-712 domain than its own name and version: check the token."
      : "The token does not do what EIP-3009 says: check the token.";
  return failed(name, found, fix);
}

/**
 * Simulates one batch through the router in an eth_call: its first item must settle, its second must fail. Both need
 * the right chain, token, domain, router and wire format together.
 */
export function checkDryRun(client: ChainClient, probe: Probe): Promise<DoctorCheck> {
  const name = "dry run";
  return checked(name, async () => {
    const { free, unfunded } = probe;
    const data = encodeSettle({
      token: free.token,
      batchId: free.nonce,
      gasAllowance: ITEM_GAS,
      items: [
        { form: "compact", authorization: free },
        { form: "compact", authorization: unfunded },
      ],
    });
    const answer = await preflightBatch(client, { from: free.to, to: ROUTER_ADDRESS, data, gas: CALL_GAS });
    const fix = "Fix the checks above first; if all of them are well, report this as a bug.";
    if (answer.status === "reverted") return failed(name, "the router refused the batch as a whole", fix);
    const { attempted, failed: failures } = answer;
    if (attempted === 2 && !failures.has(0) && failures.has(1)) {
      return passed(name, "a batch of two: the free payment settles, the unfunded one is refused");
    }
    const found = `a batch of two: ${attempted} attempted, ${failures.size} refused; expected 2 and 1`;
    return failed(name, found, fix);
  });
}
