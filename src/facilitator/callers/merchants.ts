import { createHash, timingSafeEqual } from "node:crypto";
import type { Address } from "viem";
import { z } from "zod";
import { address } from "../../authorization/fields.ts";
import { TributaryError } from "../../errors.ts";
import type { RateLimit } from "./limit.ts";

/** A resource server that the operator knows by an API key. */
export type Merchant = {
  /** Its name, which no other merchant has. */
  readonly id: string;
  /** SHA-256 of its API key, 64 hex digits. The key itself is stored nowhere. */
  readonly keySha256: string;
  /** How many requests it may make, instead of the bound for one address; undefined for no bound. */
  readonly rateLimit: RateLimit | undefined;
  /** The most payments that are taken in for it in one day (UTC); undefined for no bound. */
  readonly paymentsPerDay: number | undefined;
  /** Replaces `gasPerDay.merchant` of the facilitator's policy; undefined to use that. */
  readonly gasPerDay: bigint | undefined;
  /** Replaces `payerOpenCap.merchant` of the policy; undefined to use that. */
  readonly payerOpenCap: number | undefined;
  /** Like `strict` of the policy, but for this merchant's payments. */
  readonly strict: boolean;
  /** Replaces `level` of the policy; undefined to use that. */
  readonly level: "preconfirmed" | "included" | undefined;
  /** Whether each of its payments gets its own transaction, as with `unbatchedPayees` of the policy. */
  readonly unbatched: boolean;
  /**
   * The addresses that it is paid at. If the facilitator signs for channels, it signs their claims and refunds for this merchant
   * only, and only this merchant may change what is listed for them.
   */
  readonly receivers: readonly Address[];
};

/** The list of merchants cannot be used. */
export class MerchantsError extends TributaryError {
  override readonly name = "MerchantsError";
}

/** The sender of a request: a merchant, somebody without a key, or somebody with an unknown key. */
export type Bearer = Merchant | "anonymous" | "unknown";

/** Shorter keys could be guessed from their hash. */
const SHORTEST_KEY = 32;

const merchant = z.strictObject({
  id: z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/, "is not 1 to 64 letters, digits, dots, dashes and underscores"),
  keySha256: z
    .string()
    .regex(/^[0-9a-fA-F]{64}$/, "is not 64 hex digits")
    .transform((text) => text.toLowerCase()),
  requestsPerSecond: z.int().min(1).max(100_000).optional(),
  paymentsPerDay: z.int().min(1).optional(),
  gasPerDay: z.int().min(1).optional(),
  payerOpenCap: z.int().min(1).max(100_000).optional(),
  strict: z.boolean().default(false),
  level: z.enum(["preconfirmed", "included"]).optional(),
  unbatched: z.boolean().default(false),
  receivers: z.array(address).default([]),
});

/**
 * Reads a list of merchants from the JSON of a file: `[{ "id": "shop", "keySha256": "…", … }]`.
 * @throws MerchantsError if it is malformed, or an id or a key occurs twice. It never quotes a key.
 */
export function parseMerchants(json: unknown): readonly Merchant[] {
  const read = z.array(merchant).safeParse(json);
  if (!read.success) {
    const [issue] = read.error.issues;
    const where = issue?.path.map(String).join(".") ?? "";
    throw new MerchantsError("The list of merchants cannot be read.", {
      details: `${where === "" ? "it" : where}: ${issue?.message ?? "malformed"}`,
      hint: 'Write [{ "id": "shop", "keySha256": "64 hex digits" }]; docs/facilitator.md lists the other fields.',
    });
  }
  return withoutTwins(
    read.data.map(({ requestsPerSecond, paymentsPerDay, gasPerDay, payerOpenCap, level, ...rest }) => ({
      ...rest,
      level,
      paymentsPerDay,
      gasPerDay: gasPerDay === undefined ? undefined : BigInt(gasPerDay),
      payerOpenCap,
      rateLimit:
        requestsPerSecond === undefined ? undefined : { perSecond: requestsPerSecond, burst: 2 * requestsPerSecond },
    })),
  );
}

/**
 * Reads merchants from an environment variable: `shop=key,other=key`.
 * @throws MerchantsError if it is malformed or a key is too short. It never quotes a key.
 */
export function parseMerchantKeys(text: string): readonly Merchant[] {
  const entries = text.split(",").map((one) => one.trim());
  return withoutTwins(
    entries.map((entry, index) => {
      const [, id, key] = /^([A-Za-z0-9_.-]{1,64})=([\x21-\x7e]+)$/.exec(entry) ?? [];
      if (id === undefined || key === undefined || key.length < SHORTEST_KEY) {
        throw new MerchantsError(`Entry ${index + 1} of the merchants' keys cannot be used.`, {
          hint: `Write id=key,id=key with keys of at least ${SHORTEST_KEY} characters (openssl rand -hex 32 makes one).`,
        });
      }
      const keySha256 = hashKey(key).toString("hex");
      return {
        id,
        keySha256,
        rateLimit: undefined,
        paymentsPerDay: undefined,
        gasPerDay: undefined,
        payerOpenCap: undefined,
        strict: false,
        level: undefined,
        unbatched: false,
        receivers: [],
      };
    }),
  );
}

/** The merchants, if no two share an id or a key. @throws MerchantsError */
export function withoutTwins(merchants: readonly Merchant[]): readonly Merchant[] {
  for (const field of ["id", "keySha256"] as const) {
    const seen = new Set<string>();
    for (const { [field]: value, id } of merchants) {
      if (seen.has(value)) {
        throw new MerchantsError(`Two merchants have the same ${field === "id" ? "id" : "key"}.`, {
          details: `One of them is ${id}.`,
          hint: "Give each its own id and key.",
        });
      }
      seen.add(value);
    }
  }
  return merchants;
}

/**
 * Identifies callers by the header `Authorization: Bearer`. A comparison takes the same time for every key. Other schemes in this
 * header are meant for proxies, so they are ignored.
 */
export function createAuthenticator(merchants: readonly Merchant[]): (authorization: string | undefined) => Bearer {
  const hashes = merchants.map((one) => ({ one, hash: Buffer.from(one.keySha256, "hex") }));
  return (authorization) => {
    const [, key] = /^Bearer +([\x21-\x7e]{1,1024}) *$/i.exec(authorization ?? "") ?? [];
    if (key === undefined || hashes.length === 0) return "anonymous";
    const given = hashKey(key);
    let found: Merchant | undefined;
    for (const { one, hash } of hashes) if (timingSafeEqual(given, hash)) found = one;
    return found ?? "unknown";
  };
}

function hashKey(key: string): Buffer {
  return createHash("sha256").update(key).digest();
}
