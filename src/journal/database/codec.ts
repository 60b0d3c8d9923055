import type { Address, Hex } from "viem";
import { z } from "zod";
import type { ReceiptRow } from "../ports/batches.ts";
import { JournalError } from "../ports/errors.ts";
import type { Evidence } from "../ports/evidence.ts";
import type { Work } from "../ports/work.ts";

// Integers of any size are stored as decimal strings. Some undefined fields are stored as null, so that the field is
// there again.
export const integer = z.codec(z.string().regex(/^(0|-?[1-9][0-9]*)$/), z.bigint(), {
  decode: (text) => BigInt(text),
  encode: (value) => value.toString(),
});
export const hex = z.custom<Hex>((value) => typeof value === "string" && /^0x[0-9a-f]*$/i.test(value), "not hex");
export const address = z.custom<Address>(
  (value) => typeof value === "string" && /^0x[0-9a-f]{40}$/i.test(value),
  "not an address",
);
export const hash = z.custom<Hex>(
  (value) => typeof value === "string" && /^0x[0-9a-f]{64}$/i.test(value),
  "not 32 bytes",
);
export const count = z.int().nonnegative();
const level = z.enum(["included", "safe", "final"]);

const optionalHash = z.codec(hash.nullable(), z.union([hash, z.undefined()]), {
  decode: (value) => value ?? undefined,
  encode: (value) => value ?? null,
});
const optionalCount = z.codec(count.nullable(), z.union([count, z.undefined()]), {
  decode: (value) => value ?? undefined,
  encode: (value) => value ?? null,
});

const evidenceCodec = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("accepted"), block: integer }),
  z.object({
    kind: z.literal("transfer"),
    transactionHash: hash,
    blockNumber: integer,
    blockHash: hash,
    logIndex: count,
    gasShare: integer,
    feeShareWei: integer,
    level,
  }),
  z.object({
    kind: z.literal("receipt"),
    transactionHash: hash,
    blockNumber: integer,
    blockHash: hash,
    gasUsed: integer,
    feeWei: integer,
    level,
  }),
  z.object({
    kind: z.literal("refusal"),
    reason: z.string(),
    message: z.string(),
    transactionHash: optionalHash,
    blockNumber: integer,
    data: hex,
  }),
  z.object({
    kind: z.literal("nonce-use"),
    use: z.enum(["settled", "used-by-variant", "cancelled", "unknown"]),
    transactionHash: optionalHash,
    blockNumber: integer,
    logIndex: optionalCount,
  }),
  z.object({ kind: z.literal("deadline"), blockNumber: integer, blockTimestamp: integer, final: z.boolean() }),
  z.object({ kind: z.literal("batch"), batchId: hash, transactionHash: hash }),
  z.object({ kind: z.literal("returned"), why: z.string(), transactionHash: optionalHash }),
  z.object({
    kind: z.literal("preconfirmation"),
    transactionHash: hash,
    blockNumber: integer,
    logIndex: count,
    seenAtMs: count,
    level: z.literal("preconfirmed"),
  }),
  z.object({ kind: z.literal("preconfirmation-lost"), transactionHash: hash, blockNumber: integer }),
  z.object({ kind: z.literal("reorg"), blockNumber: integer, blockHash: hash }),
  z.object({ kind: z.literal("request"), by: z.string() }),
]);

const words = z.array(hash.nullable());
export const proof = z.object({ address, topics: words, data: words.optional() }).optional();
const spends = z.object({ chainId: count, token: address, from: address, nonce: hash, value: integer }).optional();

const workCodec = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("authorization"),
    authorization: z.object({
      chainId: count,
      token: address,
      from: address,
      to: address,
      value: integer,
      validAfter: integer,
      validBefore: integer,
      nonce: hash,
      signature: hex,
    }),
    payerHasCode: z.boolean(),
    alone: z.literal(true).exactOptional(),
  }),
  z.object({
    kind: z.literal("call"),
    chainId: count,
    to: address,
    data: hex,
    gas: integer,
    proof,
    signers: z.array(address).readonly().exactOptional(),
    spends,
  }),
]);

const receiptCodec = z.object({
  hash,
  blockNumber: integer,
  blockHash: hash,
  succeeded: z.boolean(),
  gasUsed: integer,
  feeWei: integer,
  dataFeeWei: integer,
});

const paymentIdsCodec = z.array(count);

export const encodeEvidence = (value: Evidence): string => encode(evidenceCodec, value, "evidence");
export const decodeEvidence = (text: string): Evidence => decode(evidenceCodec, text, "evidence");
export const encodeWork = (value: Work): string => encode(workCodec, value, "work");
export const decodeWork = (text: string): Work => decode(workCodec, text, "work");
export const encodeReceipt = (value: ReceiptRow): string => encode(receiptCodec, value, "receipt");
export const decodeReceipt = (text: string): ReceiptRow => decode(receiptCodec, text, "receipt");
export const encodePaymentIds = (value: readonly number[]): string =>
  encode(paymentIdsCodec, [...value], "payment ids");
export const decodePaymentIds = (text: string): readonly number[] => decode(paymentIdsCodec, text, "payment ids");

/** A decimal of any size, as columns hold integers beyond 2^53. */
export function decodeInteger(text: string): bigint {
  if (!/^(0|-?[1-9][0-9]*)$/.test(text)) throw corruptError("an integer");
  return BigInt(text);
}

/** Free text that any database can hold: without NUL and without halves of surrogate pairs. */
export function cleanText(text: string): string {
  return text.replace(/[\p{Surrogate}\0]/gu, "\uFFFD");
}

export function encode<T>(codec: z.ZodType<T>, value: T, what: string): string {
  const encoded = z.safeEncode(codec, value);
  if (encoded.success) return JSON.stringify(encoded.data);
  throw new JournalError("invalid", `This ${what} cannot be stored.`, { details: issuesOf(encoded.error) });
}

export function decode<T>(codec: z.ZodType<T>, text: string, what: string): T {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw corruptError(what);
  }
  const decoded = codec.safeParse(json);
  if (!decoded.success) throw corruptError(what, issuesOf(decoded.error));
  return decoded.data;
}

function corruptError(what: string, details?: string): JournalError {
  return new JournalError("corrupt", `The journal holds ${what} that cannot be read.`, {
    ...(details === undefined ? {} : { details }),
    hint: "Restore the journal from a backup; what settled meanwhile is found on the chain by its nonces.",
  });
}

/** Where and what is wrong, without the values: one of them is a signature. */
function issuesOf(error: z.core.$ZodError): string {
  return error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; ");
}
