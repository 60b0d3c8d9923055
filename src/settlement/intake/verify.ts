import { setImmediate as nextTurn } from "node:timers/promises";
import type { Hex } from "viem";
import { eachAtOnce } from "../../async/pool.ts";
import type { SignedAuthorization } from "../../authorization/types.ts";
import { verifySignatureOffline } from "../../authorization/verify.ts";
import type { ChainClient } from "../../chain/client.ts";
import { ChainUnavailableError } from "../../chain/errors.ts";
import { verifySignatureOnChain } from "../../chain/facts/verify.ts";
import type { TokenDomain } from "../../networks.ts";
import { REASONS, type Reason } from "../../reasons.ts";

/** The token's verdict on a signature: the form that it accepts, or why it accepts none. */
export type SignatureVerdict =
  | { readonly status: "valid"; readonly signature: Hex }
  | {
      readonly status: "bad";
      readonly reason: Extract<Reason, "bad-signature" | "gas-capped" | "undeployed-wallet">;
      readonly message: string;
    };

/** How long signatures are verified before others have a turn of the event loop. */
const SLICE_MS = 6;
/** Payers with code that are asked at once. */
const ASKED_AT_ONCE = 24;

/**
 * Verifies signatures as the token would: by recovery if the account has no code, otherwise by asking the account.
 * @param withCode The payers that have code, in lower case.
 * @returns In the order of the submissions. An error if that one could not be decided.
 */
export async function verifySubmissions(
  client: ChainClient,
  submissions: readonly {
    readonly authorization: SignedAuthorization;
    readonly recoveredUnder?: TokenDomain | undefined;
  }[],
  domain: TokenDomain,
  withCode: ReadonlySet<string>,
): Promise<(SignatureVerdict | ChainUnavailableError)[]> {
  const verdicts = new Array<SignatureVerdict | ChainUnavailableError | undefined>(submissions.length);
  const toAsk: number[] = [];
  let sliceEndsAt = performance.now() + SLICE_MS;
  for (const [index, { authorization, recoveredUnder }] of submissions.entries()) {
    const hasCode = withCode.has(authorization.from.toLowerCase());
    const isRecovered = recoveredUnder?.name === domain.name && recoveredUnder.version === domain.version;
    const verdict = hasCode ? undefined : await verifyOffline(authorization, domain, isRecovered);
    if (verdict === undefined) toAsk.push(index);
    else verdicts[index] = verdict;
    if (performance.now() < sliceEndsAt) continue;
    await nextTurn();
    sliceEndsAt = performance.now() + SLICE_MS;
  }
  await eachAtOnce(toAsk, ASKED_AT_ONCE, async (index) => {
    const authorization = submissions[index]?.authorization;
    if (authorization !== undefined) verdicts[index] = await verifyOnChain(client, authorization, domain);
  });
  return verdicts.map((verdict) => verdict ?? bad("it could not be read"));
}

async function verifyOffline(
  authorization: SignedAuthorization,
  domain: TokenDomain,
  isRecovered: boolean,
): Promise<SignatureVerdict | undefined> {
  const verdict = await verifySignatureOffline(authorization, domain, { isRecovered });
  switch (verdict.status) {
    case "valid":
      return { status: "valid", signature: verdict.signature };
    case "mismatch":
      return bad(`it was signed by ${verdict.recovered}`);
    case "malformed":
      return bad(`its signature is malformed (${verdict.reason})`);
    case "undecided":
      return undefined;
  }
}

async function verifyOnChain(
  client: ChainClient,
  authorization: SignedAuthorization,
  domain: TokenDomain,
): Promise<SignatureVerdict | ChainUnavailableError> {
  try {
    const verdict = await verifySignatureOnChain(client, { authorization, domain });
    if (verdict.status === "valid") return { status: "valid", signature: verdict.signature };
    if (verdict.status === "invalid" && verdict.reason === "out-of-gas") {
      const message = "the payer's code used up its gas on the signature";
      return { status: "bad", reason: "gas-capped", message };
    }
    if (verdict.status !== "counterfactual") return bad(`the payer does not accept the signature (${verdict.reason})`);
    const message = REASONS["undeployed-wallet"].meaning;
    return { status: "bad", reason: "undeployed-wallet", message };
  } catch (error) {
    // If no node can answer for one wallet, the other submissions must not fail because of it.
    if (error instanceof ChainUnavailableError) return error;
    throw error;
  }
}

function bad(message: string): SignatureVerdict {
  return { status: "bad", reason: "bad-signature", message };
}
