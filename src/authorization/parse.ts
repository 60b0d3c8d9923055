import { type Address, concatHex, getAddress, type Hex, numberToHex } from "viem";
import { z } from "zod";
import type { TokenDomain } from "../networks.ts";
import { findNetwork, isCalled, type Network, UnknownNetworkError } from "../networks.ts";
import { decodeRecord } from "./decode.ts";
import {
  address,
  bytes32,
  exactScheme,
  isRecord,
  optionalAddress,
  optionalText,
  optionalWholeNumber,
  own,
  quote,
  record,
  recoveryValue,
  signature,
  text,
  wholeNumber,
} from "./fields.ts";
import { AuthorizationInputError } from "./inputError.ts";
import type { SignedAuthorization } from "./types.ts";

/** The form that a record was written in. */
export type AuthorizationFormat = "authorization" | "x402-v1" | "x402-v2";

/** What is known in addition to the record. */
export type ParseContext = {
  /** The network in use. A record that names another is refused, and a bare one may name none. */
  readonly network?: Network;
  /**
   * The token of records that name none. An x402 v1 payload never names one; without this it gets the network's USDC.
   */
  readonly token?: Address;
};

/** An authorization that was read, and what its record said about it. */
export type ParsedAuthorization = {
  readonly authorization: SignedAuthorization;
  readonly format: AuthorizationFormat;
  /** The network that the record names, else that of the context. */
  readonly network: Network;
  /** The token's EIP-712 domain as the x402 v2 `accepted.extra` states it. The token itself may know better. */
  readonly domain?: TokenDomain;
};

/**
 * Reads one signed authorization:
 * - a bare object `{network | chainId, token | asset, from, to, value, validAfter, validBefore, nonce, signature | v,
 *   r, s}`;
 * - an x402 payment payload of version 1 or 2 (scheme `exact`, EIP-3009);
 * - either of them as JSON, or as the base64 value of the `X-PAYMENT` or `PAYMENT-SIGNATURE` header.
 *
 * Unknown fields are ignored. Addresses are returned checksummed, other hexadecimal in lower case. The signature is
 * neither verified nor normalised.
 *
 * @throws AuthorizationInputError naming the field; nothing else.
 */
export function parseAuthorization(input: unknown, context: ParseContext = {}): ParsedAuthorization {
  try {
    return parseRecord(typeof input === "string" ? decodeRecord(input) : input, context);
  } catch (error) {
    if (error instanceof AuthorizationInputError) throw error;
    // An object from a program may have getters that throw; JSON has none.
    throw new AuthorizationInputError("record", "cannot be read.", { hint: "Give a plain object or its JSON." });
  }
}

function parseRecord(input: unknown, context: ParseContext): ParsedAuthorization {
  if (!isRecord(input)) {
    throw new AuthorizationInputError("record", "is not a JSON object.", {
      hint: "Write one authorization per record.",
    });
  }
  const version = own(input, "x402Version");
  if (version === 1) return parseV1(input, context);
  if (version === 2) return parseV2(input, context);
  if (version !== undefined) {
    throw new AuthorizationInputError("x402Version", "is neither 1 nor 2.", { hint: "Write it as the number 1 or 2." });
  }
  if (own(input, "payload") !== undefined) {
    throw new AuthorizationInputError("x402Version", "is missing.", { hint: "An x402 payload says 1 or 2 there." });
  }
  return parseBare(input, context);
}

const terms = {
  from: address,
  to: address,
  value: wholeNumber,
  validAfter: wholeNumber,
  validBefore: wholeNumber,
  nonce: bytes32,
};

const signedPayload = record({ signature, authorization: record(terms) });

const v1Schema = record({ scheme: exactScheme, network: text, payload: signedPayload });

function parseV1(input: object, context: ParseContext): ParsedAuthorization {
  refuseOtherPayloads(input);
  const { network: name, payload } = check(v1Schema, input);
  const network = resolveNetwork("network", name, context);
  const token = getAddress(context.token ?? network.usdc.address);
  return {
    authorization: { chainId: network.chainId, token, ...payload.authorization, signature: payload.signature },
    format: "x402-v1",
    network,
  };
}

const v2Schema = record({
  accepted: record({
    scheme: exactScheme,
    network: text,
    amount: wholeNumber,
    asset: address,
    payTo: address,
    extra: z.unknown(),
  }),
  payload: signedPayload,
});

function parseV2(input: object, context: ParseContext): ParsedAuthorization {
  refuseOtherPayloads(input);
  const { accepted, payload } = check(v2Schema, input);
  const { authorization } = payload;
  const network = resolveNetwork("accepted.network", accepted.network, context);
  if (authorization.to !== accepted.payTo) throw differs("to", authorization.to, "payTo", accepted.payTo);
  if (authorization.value !== accepted.amount) {
    throw differs("value", authorization.value, "amount", accepted.amount);
  }
  const domain = parseDomain(accepted.extra);
  return {
    authorization: {
      chainId: network.chainId,
      token: accepted.asset,
      ...authorization,
      signature: payload.signature,
    },
    format: "x402-v2",
    network,
    ...(domain === undefined ? {} : { domain }),
  };
}

function differs(name: string, signed: string | bigint, other: string, required: string | bigint) {
  return new AuthorizationInputError(
    `payload.authorization.${name}`,
    `is ${signed}, but accepted.${other} is ${required}.`,
    { hint: "The payer signed something else than was required: ask for a new payment." },
  );
}

const extraSchema = record({ extra: record({ name: optionalText, version: optionalText }) });

function parseDomain(extra: unknown): TokenDomain | undefined {
  if (extra === undefined || extra === null) return undefined;
  const { name, version } = check(extraSchema, { extra }, "accepted").extra;
  return name === undefined || version === undefined ? undefined : { name, version };
}

/** Payments of the scheme `exact` that are not EIP-3009 differ only in the payload and in `extra`. */
function refuseOtherPayloads(input: object): void {
  const payload = own(input, "payload");
  if (!isRecord(payload)) return;
  const hint = "Only EIP-3009 payments can be settled; this one moves its tokens in another way.";
  if (own(payload, "permit2Authorization") !== undefined) {
    throw new AuthorizationInputError("payload.permit2Authorization", "is a Permit2 payment.", { hint });
  }
  const accepted = own(input, "accepted");
  const extra = isRecord(accepted) ? own(accepted, "extra") : undefined;
  const method = isRecord(extra) ? own(extra, "assetTransferMethod") : undefined;
  if (method === undefined || method === "eip3009") return;
  const shown = typeof method === "string" ? quote(method) : "no text";
  throw new AuthorizationInputError("accepted.extra.assetTransferMethod", `is ${shown}, not "eip3009".`, { hint });
}

const bareSchema = record({
  network: optionalText,
  chainId: optionalWholeNumber,
  token: optionalAddress,
  asset: optionalAddress,
  ...terms,
});

function parseBare(input: object, context: ParseContext): ParsedAuthorization {
  const { network: name, chainId, token, asset, ...authorization } = check(bareSchema, input);
  const network = bareNetwork(name, chainId, context);
  if (token !== undefined && asset !== undefined && token !== asset) {
    throw new AuthorizationInputError("asset", `is ${asset}, but token is ${token}.`, { hint: "Give one of the two." });
  }
  const chosen = token ?? asset ?? (context.token && getAddress(context.token));
  if (chosen === undefined) {
    throw new AuthorizationInputError("token", "is missing.", {
      hint: `Add "token", e.g. ${network.usdc.address} for USDC on ${network.title}.`,
    });
  }
  return {
    authorization: { chainId: network.chainId, token: chosen, ...authorization, signature: bareSignature(input) },
    format: "authorization",
    network,
  };
}

function bareNetwork(name: string | undefined, chainId: bigint | undefined, context: ParseContext): Network {
  const byName = name === undefined ? undefined : resolveNetwork("network", name, context);
  const byId = chainId === undefined ? undefined : resolveNetwork("chainId", chainId.toString(), context);
  if (byName !== undefined && byId !== undefined && byName.chainId !== byId.chainId) {
    throw new AuthorizationInputError("chainId", `is ${byId.chainId}, but network is ${byName.caip2}.`, {
      hint: "Give one of the two.",
    });
  }
  const network = byName ?? byId ?? context.network;
  if (network === undefined) {
    throw new AuthorizationInputError("network", "is missing.", { hint: 'Add "network", e.g. "eip155:84532".' });
  }
  return network;
}

const signatureSchema = record({ signature });
const splitSchema = record({ v: recoveryValue, r: bytes32, s: bytes32 });

function bareSignature(input: object): Hex {
  const whole = own(input, "signature");
  const split = ["v", "r", "s"].some((key) => own(input, key) !== undefined);
  if (whole !== undefined || !split) return check(signatureSchema, input).signature;
  const { v, r, s } = check(splitSchema, input);
  return concatHex([r, s, numberToHex(v, { size: 1 })]);
}

function resolveNetwork(field: string, name: string, context: ParseContext): Network {
  const inUse = context.network;
  if (inUse !== undefined && isCalled(inUse, name)) return inUse;
  const named = lookUp(field, name);
  if (inUse === undefined) return named;
  throw new AuthorizationInputError(field, `is ${named.title} (${named.caip2}), not ${inUse.title} (${inUse.caip2}).`, {
    hint: "Settle it on its own network: a payment cannot change chains.",
  });
}

function lookUp(field: string, name: string): Network {
  try {
    return findNetwork(name);
  } catch (error) {
    if (!(error instanceof UnknownNetworkError)) throw error;
    throw new AuthorizationInputError(field, `${quote(name)} is not a known network.`, optionalHint(error.hint));
  }
}

const objectHint =
  "An x402 payment has payload {signature, authorization}, and in version 2 the accepted requirements.";

/** Runs a schema. Its first issue becomes the error. */
function check<Schema extends z.ZodType>(schema: Schema, input: unknown, prefix?: string): z.output<Schema> {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const path = [...(prefix === undefined ? [] : [prefix]), ...(issue?.path ?? []).map(String)];
  const hint: unknown = issue?.code === "custom" ? issue.params?.hint : objectHint;
  throw new AuthorizationInputError(
    path.length === 0 ? "record" : path.join("."),
    issue?.message ?? "cannot be read.",
    optionalHint(hint),
  );
}

function optionalHint(hint: unknown): { hint?: string } {
  return typeof hint === "string" ? { hint } : {};
}
