import { type Address, getAddress, type Hex, maxUint256 } from "viem";
import { z } from "zod";
import { MAX_SIGNATURE_BYTES } from "../../authorization/fields.ts";
import type { SignedAuthorization } from "../../authorization/types.ts";

// The bodies of /verify and /settle (x402 v1 and v2, scheme exact). Unknown fields are ignored, and addresses may be in any
// case. Everything that is signed or compared is parsed here once.

export const address = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/)
  .transform((text): Address => getAddress(text.toLowerCase()));
export const uint256 = z
  .string()
  .regex(/^[0-9]{1,78}$/)
  .transform(BigInt)
  .refine((value) => value <= maxUint256, { error: "is above 2^256 − 1" });
/** Some clients send times as JSON numbers. A number is accepted if it is certainly exact: whole, and not too large. */
const seconds = z.unknown().transform((input, context): bigint => {
  if (typeof input === "number") {
    if (Number.isSafeInteger(input) && input >= 0) return BigInt(input);
    context.addIssue({ code: "custom", message: problemOfNumber(input) });
    return z.NEVER;
  }
  const read = uint256.safeParse(input);
  if (read.success) return read.data;
  for (const { code, message } of read.error.issues) context.addIssue({ code: "custom", message: said(code, message) });
  return z.NEVER;
});
const bytes32 = z
  .string()
  .regex(/^0x[0-9a-fA-F]{64}$/)
  .transform((text) => text.toLowerCase() as Hex);
const signature = z
  .string()
  .max(2 + 2 * MAX_SIGNATURE_BYTES)
  .regex(/^0x([0-9a-fA-F]{2})+$/)
  .transform((text) => text.toLowerCase() as Hex);
export const name = z.string().min(1).max(256);
/** A text that may be missing. Any other type counts as missing, as it does for clients. */
const loose = z.string().max(4096).optional().catch(undefined);

const domain = z
  .object({
    name: z.string().max(256).optional().catch(undefined),
    version: z.string().max(256).optional().catch(undefined),
  })
  .nullish()
  .catch(undefined)
  .transform((extra) => ({ name: extra?.name ?? "", version: extra?.version ?? "" }));

const eip3009 = z.object({
  signature,
  authorization: z.object({
    from: address,
    to: address,
    value: uint256,
    validAfter: seconds,
    validBefore: seconds,
    nonce: bytes32,
  }),
});

const requirements = { scheme: name, network: name, asset: address, payTo: address, extra: domain };
const requirementsV2 = z.object({ ...requirements, amount: uint256 });
const requirementsV1 = z
  .object({ ...requirements, maxAmountRequired: uint256, resource: loose })
  .transform(({ maxAmountRequired, ...rest }) => ({ ...rest, amount: maxAmountRequired }));

const exactV2 = z.object({
  paymentPayload: z.object({
    x402Version: z.literal(2),
    accepted: z.object({ scheme: name, network: name }),
    payload: eip3009,
  }),
  paymentRequirements: requirementsV2,
});
const exactV1 = z.object({
  paymentPayload: z.object({ x402Version: z.literal(1), scheme: name, network: name, payload: eip3009 }),
  paymentRequirements: requirementsV1,
});

const envelope = z.object({
  paymentPayload: z.looseObject({ x402Version: z.number(), payload: z.looseObject({}) }),
  paymentRequirements: z.looseObject({ scheme: name, network: name }),
});

/** The version, scheme and network of a request: enough to know who handles it. */
export type Envelope = {
  readonly version: 1 | 2;
  readonly scheme: string;
  /** The network's name in the requirements. */
  readonly network: string;
};

/** A payment of the scheme exact with an EIP-3009 authorization, and what it should pay. */
export type ExactRequest = {
  readonly version: 1 | 2;
  /** The scheme and network that the payload was made for. Answers repeat this name of the network. */
  readonly accepted: { readonly scheme: string; readonly network: string };
  readonly authorization: {
    readonly from: Address;
    readonly to: Address;
    readonly value: bigint;
    readonly validAfter: bigint;
    readonly validBefore: bigint;
    readonly nonce: Hex;
  };
  readonly signature: Hex;
  readonly required: {
    readonly scheme: string;
    readonly network: string;
    readonly asset: Address;
    readonly payTo: Address;
    readonly amount: bigint;
    /** The token's EIP-712 domain as the resource server gave it; empty texts if it gave none. */
    readonly domain: { readonly name: string; readonly version: string };
  };
};

/** The result of reading untrusted input: the value, or one line on what is wrong. */
export type Reading<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string };

/** Reads which scheme and network a request is for. */
export function readEnvelope(body: unknown): Reading<Envelope> {
  const read = envelope.safeParse(body);
  if (!read.success) return { ok: false, problem: explain(read.error) };
  const { paymentPayload, paymentRequirements } = read.data;
  const { x402Version: version } = paymentPayload;
  if (version !== 1 && version !== 2) return { ok: false, problem: "paymentPayload.x402Version: is neither 1 nor 2" };
  return { ok: true, value: { version, scheme: paymentRequirements.scheme, network: paymentRequirements.network } };
}

/** Reads a payment of the scheme exact. */
export function readExact(paymentPayload: unknown, paymentRequirements: unknown): Reading<ExactRequest> {
  const body = { paymentPayload, paymentRequirements };
  const isV1 =
    typeof paymentPayload === "object" && paymentPayload !== null && Reflect.get(paymentPayload, "x402Version") === 1;
  if (isV1) {
    const read = exactV1.safeParse(body);
    if (!read.success) return { ok: false, problem: explain(read.error) };
    const { paymentPayload: paid, paymentRequirements: asked } = read.data;
    return { ok: true, value: join(1, { scheme: paid.scheme, network: paid.network }, paid.payload, asked) };
  }
  const read = exactV2.safeParse(body);
  if (!read.success) return { ok: false, problem: explain(read.error) };
  const { paymentPayload: paid, paymentRequirements: asked } = read.data;
  return { ok: true, value: join(2, paid.accepted, paid.payload, asked) };
}

/** The signed authorization of a request, for the token that the resource server asks for. */
export function toAuthorization(
  { authorization, required, signature }: ExactRequest,
  chainId: number,
): SignedAuthorization {
  return { chainId, token: required.asset, ...authorization, signature };
}

/** Whether a payload has the other form of the scheme exact (Permit2), which is not settled here. */
export function isPermit2(paymentPayload: unknown): boolean {
  const payload = propertyOf(paymentPayload, "payload");
  return (
    propertyOf(payload, "permit2Authorization") !== undefined && propertyOf(payload, "authorization") === undefined
  );
}

/** The payer that a payload names, if it names one, for answers about payloads that are not read any further. */
export function payerOf(paymentPayload: unknown): string | undefined {
  const from = propertyOf(propertyOf(propertyOf(paymentPayload, "payload"), "authorization"), "from");
  return typeof from === "string" && /^0x[0-9a-fA-F]{40}$/.test(from) ? from : undefined;
}

/** The network that an answer repeats: the payload's name for it, or an empty text. */
export function networkEcho(paymentPayload: unknown): string {
  const accepted = propertyOf(propertyOf(paymentPayload, "accepted"), "network");
  const network = accepted ?? propertyOf(paymentPayload, "network");
  return typeof network === "string" && network.length <= 256 ? network : "";
}

/** An own property of a value that may be an object. */
export function propertyOf(value: unknown, key: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return Object.getOwnPropertyDescriptor(value, key)?.value;
}

function join(
  version: 1 | 2,
  accepted: ExactRequest["accepted"],
  { authorization, signature: signed }: z.infer<typeof eip3009>,
  { scheme, network, asset, payTo, amount, extra }: z.infer<typeof requirementsV2>,
): ExactRequest {
  return {
    version,
    accepted: { scheme: accepted.scheme, network: accepted.network },
    authorization,
    signature: signed,
    required: { scheme, network, asset, payTo, amount, domain: extra },
  };
}

/** The first problem, with its path. Values are never repeated, because they may be signatures. */
export function explain({ issues }: z.ZodError): string {
  const [first] = issues;
  if (first === undefined) return "it cannot be read";
  const path = first.path.map(String).join(".");
  return path === "" ? "the body is not a JSON object" : `${path}: ${said(first.code, first.message)}`;
}

/** What is wrong: our own message if there is one. */
function said(code: string, message: string): string {
  return code === "custom" ? message : "is missing or malformed";
}

function problemOfNumber(number: number): string {
  if (number < 0) return "is negative";
  if (!Number.isInteger(number)) return "has a fraction: write whole seconds";
  return "is above 2^53 − 1, where a JSON number loses digits: write it as a string";
}
