import type { Address } from "viem";
import { z } from "zod";
import { address, explain, name, propertyOf, type Reading, uint256 } from "../wire/body.ts";

// What servers by other authors send to /accepts: requirements as they would show them to a buyer, perhaps without what the
// scheme needs; or, from thirdweb's server, a price and a route to make a requirement from. Unknown fields are ignored.

/** A requirement that a server asks to have filled in. */
export type Draft = {
  /** The whole requirement, as it came. */
  readonly given: Readonly<Record<string, unknown>>;
  readonly scheme: string;
  readonly network: string;
  /** Undefined for the usual token. */
  readonly asset: Address | undefined;
  readonly payTo: Address;
  readonly amount: bigint;
  /** Undefined if the server leaves it to the facilitator. */
  readonly maxTimeoutSeconds: number | undefined;
  readonly extra: Readonly<Record<string, unknown>>;
};

/** A price in dollars, as decimal digits, or in atomic units of a token. */
export type Price =
  | { readonly dollars: string; readonly asset: undefined }
  | { readonly amount: bigint; readonly asset: Address };

/** A route to make a requirement from. */
export type Route = Omit<Draft, "amount" | "asset"> & { readonly price: Price };

/** A list of requirements that are not parsed yet: other networks have other kinds of addresses. */
export type RequirementList = {
  readonly version: 1 | 2;
  /** The resource that is paid for. It is given back as it came. */
  readonly resource: object | undefined;
  readonly entries: readonly { readonly scheme: string; readonly network: string; readonly given: unknown }[];
};

const MOST_REQUIREMENTS = 64;

const version = z.union([z.literal(1), z.literal(2)]);
const timeout = z.int().min(0).max(Number.MAX_SAFE_INTEGER).nullish();
const loose = z.looseObject({});
const text = z.string().max(4096).optional().catch(undefined);

const list = z.object({
  x402Version: version,
  resource: loose.optional().catch(undefined),
  accepts: z
    .array(z.looseObject({ scheme: name, network: name }))
    .min(1)
    .max(MOST_REQUIREMENTS),
});

const requirement = z.object({
  scheme: name,
  network: name,
  // A server that leaves the choice to the facilitator may send an empty text.
  asset: z.union([z.literal("").transform(() => undefined), address]).optional(),
  payTo: address,
  amount: uint256.optional(),
  maxAmountRequired: uint256.optional(),
  maxTimeoutSeconds: timeout,
  extra: loose.nullish(),
});

const route = z.object({
  x402Version: version.optional(),
  resourceUrl: z.string().min(1).max(4096),
  network: name,
  scheme: name.optional(),
  price: z.union([
    z.string().regex(/^\$?[0-9]{1,20}([.][0-9]{1,18})?$/),
    z
      .number()
      .transform(String)
      .pipe(z.string().regex(/^[0-9]{1,20}([.][0-9]{1,18})?$/)),
    z.object({ amount: uint256, asset: z.object({ address }) }),
  ]),
  recipientAddress: address.optional(),
  serverWalletAddress: address.optional(),
  routeConfig: z.object({ description: text, mimeType: text, maxTimeoutSeconds: timeout }).nullish(),
  extraMetadata: loose.nullish(),
});

/** Whether a body asks to have a requirement made, and not to have some filled in. */
export function isRoute(body: unknown): boolean {
  return propertyOf(body, "accepts") === undefined && propertyOf(body, "price") !== undefined;
}

export function readList(body: unknown): Reading<RequirementList> {
  const read = list.safeParse(body);
  if (!read.success) return { ok: false, problem: explain(read.error) };
  const { x402Version, resource, accepts } = read.data;
  const entries = accepts.map((given) => ({ scheme: given.scheme, network: given.network, given }));
  return { ok: true, value: { version: x402Version, resource, entries } };
}

/** Reads one requirement of a list, for this facilitator's network. */
export function readDraft(given: unknown): Reading<Draft> {
  const read = requirement.safeParse(given);
  if (!read.success) return { ok: false, problem: explain(read.error) };
  const { scheme, network, asset, payTo, amount, maxAmountRequired, maxTimeoutSeconds, extra } = read.data;
  if (amount !== undefined && maxAmountRequired !== undefined && amount !== maxAmountRequired) {
    return { ok: false, problem: `amount: is ${amount}, and maxAmountRequired ${maxAmountRequired}` };
  }
  const asked = amount ?? maxAmountRequired;
  if (asked === undefined) return { ok: false, problem: "amount: is missing or malformed" };
  const rest = { scheme, network, asset, payTo, amount: asked, extra: extra ?? {} };
  // The cast is safe: it was just read as an object.
  return { ok: true, value: { ...rest, given: given as Draft["given"], maxTimeoutSeconds: orNone(maxTimeoutSeconds) } };
}

export function readRoute(body: unknown): Reading<{ readonly version: 1 | 2; readonly route: Route }> {
  const read = route.safeParse(body);
  if (!read.success) return { ok: false, problem: explain(read.error) };
  const { x402Version = 2, resourceUrl, network, scheme = "exact", price, routeConfig, extraMetadata } = read.data;
  const payTo = read.data.recipientAddress ?? read.data.serverWalletAddress;
  if (payTo === undefined) return { ok: false, problem: "recipientAddress: is missing or malformed" };
  return {
    ok: true,
    value: {
      version: x402Version,
      route: {
        ...{ scheme, network, payTo, extra: extraMetadata ?? {} },
        given: {
          resource: resourceUrl,
          description: routeConfig?.description ?? "",
          mimeType: routeConfig?.mimeType ?? "",
        },
        maxTimeoutSeconds: orNone(routeConfig?.maxTimeoutSeconds),
        price:
          typeof price === "string"
            ? { dollars: price.replace("$", ""), asset: undefined }
            : { amount: price.amount, asset: price.asset.address },
      },
    },
  };
}

/** Servers that do not care about a timeout send 0. */
function orNone(seconds: number | null | undefined): number | undefined {
  return seconds === null || seconds === 0 ? undefined : seconds;
}
