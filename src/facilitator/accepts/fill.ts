import type { x402Facilitator } from "@x402/core/facilitator";
import { type Address, getAddress, isAddress, isAddressEqual, zeroAddress } from "viem";
import { MAX_WITHDRAW_DELAY_SECONDS, MIN_WITHDRAW_DELAY_SECONDS } from "../../channels/index.ts";
import { networkOf } from "../../networks.ts";
import type { Admission } from "../admission/admission.ts";
import type { FacilitatorPolicy } from "../admission/policy.ts";
import { isNetworkOf } from "../admission/rules.ts";
import type { Ask } from "../admission/types.ts";
import type { Caller } from "../callers/caller.ts";
import type { Tokens } from "../node/tokens.ts";
import { propertyOf } from "../wire/body.ts";
import type { Draft } from "./wire.ts";

export type FillPort = {
  readonly x402: Pick<x402Facilitator, "getSupported">;
  readonly chainId: number;
  readonly tokens: Tokens;
  readonly admission: Pick<Admission, "fault">;
  readonly policy: Pick<FacilitatorPolicy, "maxValiditySeconds">;
  /** The addresses that merchants are paid at. The facilitator's own key may be the receiver authorizer of their channels. */
  readonly receivers: readonly Address[];
};

/** A requirement that a buyer can pay and this facilitator settles, or why there is none. */
export type Filled =
  | { readonly ok: true; readonly requirement: Readonly<Record<string, unknown>> }
  | { readonly ok: false; readonly why: string };

/** How long a payment may take if the server does not say. */
const USUAL_TIMEOUT_SECONDS = 300;

/** Why this facilitator does not serve a kind of payment; undefined if it does. */
export function notServed(
  { x402, chainId }: Pick<FillPort, "x402" | "chainId">,
  version: 1 | 2,
  { scheme, network }: Pick<Draft, "scheme" | "network">,
): string | undefined {
  if (!isNetworkOf(network, chainId)) return "this network is not served here";
  const kinds = x402.getSupported().kinds.filter((kind) => kind.x402Version === version);
  if (kinds.some((kind) => kind.scheme === scheme)) return undefined;
  return `this scheme is not served here in x402 version ${version}`;
}

/**
 * Fills in what a scheme needs: the token's domain, a timeout and, for channels, who authorizes claims and how long a withdrawal
 * waits. What the server says stays, except for the domain (which is the token's) and a timeout that is too long for this
 * facilitator.
 * @throws ChainUnavailableError if the node is needed and does not answer.
 */
export async function fill(port: FillPort, version: 1 | 2, draft: Draft, caller: Caller): Promise<Filled> {
  const unserved = notServed(port, version, draft);
  if (unserved !== undefined) return no(unserved);
  const { scheme, payTo, amount, extra, given } = draft;
  const method = propertyOf(extra, "assetTransferMethod");
  if (method !== undefined && method !== "eip3009") return no("only EIP-3009 authorizations are settled here");
  const asset = draft.asset ?? port.tokens.usual;
  if (asset === undefined) return no("no asset is settled here");
  const fault = await port.admission.fault(askOf(draft, asset), caller);
  if (fault !== undefined) return no(fault.message);
  const token = await port.tokens.termsOf(asset);
  if (token === undefined) return no(`the token ${asset} does not say its EIP-712 domain`);
  const ofScheme = scheme === "batch-settlement" ? channelTerms(port, draft) : {};
  if (typeof ofScheme === "string") return no(ofScheme);
  const { maxValiditySeconds } = port.policy;
  return {
    ok: true,
    requirement: {
      ...given,
      scheme,
      // Addresses are given back as they came, since some servers compare them as text.
      ...{ asset: draft.asset === undefined ? asset : (given.asset ?? asset), payTo: given.payTo ?? payTo },
      ...form(version, port.chainId, amount, given),
      maxTimeoutSeconds: Math.min(draft.maxTimeoutSeconds ?? USUAL_TIMEOUT_SECONDS, maxValiditySeconds),
      extra: { ...extra, name: token.name, version: token.version, ...ofScheme },
    },
  };
}

/** Network and amount by their names in a version of x402, and what v1 adds to each requirement. */
function form(version: 1 | 2, chainId: number, amount: bigint, given: Draft["given"]) {
  if (version === 2) return { network: `eip155:${chainId}`, amount: amount.toString() };
  return {
    // v1 is served only on a chain that has a v1 name.
    network: networkOf(chainId)?.v1Name,
    maxAmountRequired: amount.toString(),
    description: given.description ?? "",
    mimeType: given.mimeType ?? "",
  };
}

/** What a channel needs besides its token, or what is wrong with the server's terms. */
function channelTerms({ x402, receivers }: FillPort, { extra, payTo }: Draft): Record<string, unknown> | string {
  const kind = x402.getSupported().kinds.find(({ scheme }) => scheme === "batch-settlement");
  const own = propertyOf(kind?.extra, "receiverAuthorizer");
  const isOwn = (one: Address): boolean => typeof own === "string" && isAddress(own) && isAddressEqual(own, one);
  const signsFor = receivers.some((receiver) => isAddressEqual(receiver, payTo));
  const named = propertyOf(extra, "receiverAuthorizer") ?? (signsFor ? own : undefined);
  if (typeof named !== "string" || !isAddress(named, { strict: false }) || isAddressEqual(named, zeroAddress)) {
    return "extra.receiverAuthorizer: name the key that signs the claims of this payee's channels";
  }
  if (isOwn(named) && !signsFor) return "extra.receiverAuthorizer: this key signs for the receivers of merchants only";
  const delay = propertyOf(extra, "withdrawDelay") ?? MIN_WITHDRAW_DELAY_SECONDS;
  const isDelay = typeof delay === "number" && Number.isInteger(delay);
  if (!isDelay || delay < MIN_WITHDRAW_DELAY_SECONDS || delay > MAX_WITHDRAW_DELAY_SECONDS) {
    const range = `${MIN_WITHDRAW_DELAY_SECONDS} to ${MAX_WITHDRAW_DELAY_SECONDS}`;
    return `extra.withdrawDelay: is not a whole number of seconds from ${range}`;
  }
  return { receiverAuthorizer: getAddress(named.toLowerCase()), withdrawDelay: delay };
}

function askOf({ scheme, network, payTo, amount }: Draft, asset: Address): Ask {
  const what = { network, tokens: [asset], payer: undefined, payee: payTo, fingerprint: "" };
  // A channel is paid in parts, so the bounds on a payment hold for its deposits.
  return scheme === "exact" ? { kind: "payment", amount, ...what } : { kind: "deposit", amount: undefined, ...what };
}

function no(why: string): Filled {
  return { ok: false, why };
}
