import { createHash } from "node:crypto";
import type { PaymentPayload, PaymentRequirements } from "@x402/core/types";
import { BAZAAR, extractDiscoveryInfo, sanitizeResourceServiceMetadata } from "@x402/extensions/bazaar";
import { isAddressEqual } from "viem";
import type { Clock } from "../../clock.ts";
import type { CatalogueJournal, ResourceRow } from "../../journal/ports/catalogue.ts";
import type { Logger } from "../../logger.ts";
import { requestName } from "../callers/bringers.ts";
import type { Caller } from "../callers/caller.ts";
import { type ExactRequest, propertyOf } from "../wire/body.ts";
import { createDeclarationCheck } from "./declaration.ts";
import { publicUrl } from "./publicUrl.ts";

/** A resource as /discovery/resources lists it. All of it was written by strangers. */
export type CataloguedResource = {
  readonly resource: string;
  readonly type: string;
  readonly x402Version: number;
  readonly accepts: readonly Readonly<Record<string, unknown>>[];
  readonly lastUpdated: string;
  readonly description?: string;
  readonly mimeType?: string;
  readonly serviceName?: string;
  readonly tags?: readonly string[];
  readonly iconUrl?: string;
  readonly extensions?: Readonly<Record<string, unknown>>;
  /** The description once more: some clients look for it here in x402 v2, and in `accepts` in v1. */
  readonly metadata?: { readonly description: string };
};

export type CatalogueFilter = {
  readonly type?: string | undefined;
  readonly payTo?: string | undefined;
  readonly scheme?: string | undefined;
  readonly network?: string | undefined;
  /** The key of an extension that the resource has. */
  readonly extensions?: string | undefined;
};

/** The outcome of a declaration, in the words of the header EXTENSION-RESPONSES. */
export type DeclarationResponse = {
  readonly status: "success" | "processing" | "rejected";
  readonly rejectedReason?: string;
};

/** The resources that were paid for here. None of its functions throws because of what a stranger wrote. */
export type Catalogue = {
  /** What to say about a payment's declaration before it settles; undefined if it has none. */
  readonly check: (
    payload: PaymentPayload,
    requirements: PaymentRequirements,
    request: ExactRequest,
  ) => DeclarationResponse | undefined;
  /**
   * Lists the resource of a settled payment, if its server declared a valid one and this caller may change what is listed for
   * it.
   */
  readonly add: (
    payload: PaymentPayload,
    requirements: PaymentRequirements,
    request: ExactRequest,
    caller: Caller,
  ) => Promise<DeclarationResponse | undefined>;
  /**
   * The newest first: as many as are asked for, but at most {@link MOST_PAGE} characters at once. `limit` is how many fit on this
   * page: add it to the offset to find the next one.
   */
  readonly list: (
    query: CatalogueFilter & { readonly limit: number; readonly offset: number },
  ) => Promise<{ readonly items: readonly CataloguedResource[]; readonly total: number; readonly limit: number }>;
  /** The resources that have every word of a text somewhere, the newest first. */
  readonly search: (
    query: CatalogueFilter & { readonly text: string; readonly limit: number },
  ) => Promise<{ readonly items: readonly CataloguedResource[]; readonly hasMore: boolean }>;
};

const MOST_RESOURCES = 1_000;
const MOST_TEXT = 500;
/** The most characters of entries in one answer. A typical entry has about 1,500; one made to be large may have 40,000. */
const MOST_PAGE = 4_000_000;
/** The least time between two writes of an entry, if it changed and if it did not. */
const CHANGED_MS = 5_000;
const SAME_MS = 60_000;
/** How long a list is used before it is read again, since other processes add to it too. */
const READ_AGAIN_MS = 5_000;

export type CataloguePort = {
  readonly journal: CatalogueJournal;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The smallest payment whose resource is listed, in atomic units, so that spam costs money. */
  readonly minimum: bigint;
  /** Whether resources on this machine are listed. They are on a development chain, to try things out. */
  readonly loopback: boolean;
};

/**
 * The Bazaar's catalogue, kept in the journal. A resource enters it with a settled payment that was worth something. It has to be
 * on the public internet, and the official package validates its declaration, within bounds on work. Nobody replaces the entry of
 * another payee; an entry of the same payee is replaced only with at least the authority of whoever listed it
 * ({@link Listing}). The oldest entries make room: those of merchants for merchants, and the others for the others.
 */
export function createCatalogue({ journal, clock, logger, minimum, loopback }: CataloguePort): Catalogue {
  const check = createDeclarationCheck(clock);
  const written = new Map<string, { readonly text: string; readonly atMs: number }>();
  let known: { readonly atMs: number; readonly items: Promise<readonly Sized[]> } | undefined;

  const read = (): Promise<readonly Sized[]> => {
    if (known !== undefined && clock.now() - known.atMs < READ_AGAIN_MS) return known.items;
    const items = journal.resources().then((rows) => listed(rows).map(sized));
    known = { atMs: clock.now(), items };
    items.catch(() => {
      known = undefined;
    });
    return items;
  };

  /** The verdict on a declaration; undefined if there is no declaration. */
  const judge = (declared: unknown, { version }: ExactRequest, look: boolean): DeclarationResponse | undefined => {
    if (declared === undefined || declared === null) return undefined;
    const verdict = check(declared, version, { look });
    if (verdict === undefined || verdict.isValid) return { status: verdict === undefined ? "processing" : "success" };
    return { status: "rejected", rejectedReason: verdict.reason };
  };

  return {
    check: (payload, requirements, request) => {
      // A caller who has not paid cannot cause a validation. The resource is listed when it is paid for.
      const response = judge(declaredIn(payload, requirements, request), request, false);
      return response?.status === "success" ? { status: "processing" } : response;
    },
    add: async (payload, requirements, request, caller) => {
      const declared = declaredIn(payload, requirements, request);
      if (declared !== undefined && declared !== null && request.authorization.value < minimum) {
        return no(`only payments of ${minimum} or more list a resource`);
      }
      if (priceIn(payload) > request.authorization.value) return no("the payment is less than the declared price");
      const response = judge(declared, request, true);
      if (response?.status !== "success") return response;
      const found = describe(payload, requirements, request, declared, loopback);
      if (found === undefined) return no("the resource has no usable URL, or none on the public internet");
      const nowMs = clock.now();
      const owner = ownerOf(caller, request);
      const text = JSON.stringify([found.entry, owner]);
      const before = written.get(found.key);
      const pauseMs = before?.text === text ? SAME_MS : CHANGED_MS;
      if (before !== undefined && nowMs - before.atMs < pauseMs) return response;
      try {
        const [standing] = listed(await journal.resources(RANKS.map((rank) => `${rank}:${found.key}`)));
        if (standing !== undefined && !mayReplace(owner, standing.owner)) {
          return no("it was listed by another caller; the payee's merchant may change that with its API key");
        }
        const entry: CataloguedResource = { ...found.entry, lastUpdated: new Date(nowMs).toISOString() };
        const value = JSON.stringify({ entry, owner } satisfies Omit<Listing, "key">);
        const among = `${owner.rank}:`;
        await journal.keepResource({ key: `${among}${found.key}`, value, updatedAtMs: nowMs }, MOST_RESOURCES, among);
      } catch {
        logger.warn("a resource was not kept in the catalogue", { resource: found.entry.resource });
        return no("the catalogue is not available");
      }
      written.delete(found.key);
      written.set(found.key, { text, atMs: nowMs });
      const [oldest] = written.keys();
      if (written.size > MOST_RESOURCES && oldest !== undefined) written.delete(oldest);
      known = undefined;
      return response;
    },
    list: async ({ limit, offset, ...filter }) => {
      const matching = (await read()).filter(({ entry }) => fits(entry, filter));
      const asked = matching.slice(offset, offset + limit);
      const items = pageOf(asked);
      return { items, total: matching.length, limit: items.length < asked.length ? items.length : limit };
    },
    search: async ({ text, limit, ...filter }) => {
      const words = text.toLowerCase().split(/\s+/);
      const matching = (await read()).filter(({ entry }) => {
        const { resource, description, serviceName, tags = [] } = entry;
        const said = [resource, description, serviceName, ...tags].join(" ").toLowerCase();
        return fits(entry, filter) && words.every((word) => said.includes(word));
      });
      const items = pageOf(matching.slice(0, limit));
      return { items, hasMore: matching.length > items.length };
    },
  };
}

/**
 * Who listed a resource. Ranks: 2 for a merchant with this payee among its receivers, 1 for another merchant, 0 without a key.
 */
type Owner = { readonly rank: (typeof RANKS)[number]; readonly name: string };
const RANKS = [0, 1, 2] as const;

/** A stored entry, with its key (which says what it is about) and who listed it. */
type Listing = { readonly key: string; readonly entry: CataloguedResource; readonly owner: Owner };

function ownerOf({ merchant, address }: Caller, { required }: ExactRequest): Owner {
  if (merchant === undefined) return { rank: 0, name: requestName(address, "") };
  const isOwn = merchant.receivers.some((receiver) => isAddressEqual(receiver, required.payTo));
  return { rank: isOwn ? 2 : 1, name: merchant.id };
}

/**
 * Whether somebody who lists a resource replaces what another one listed. They need more authority, or have to be the same: by
 * id or, without a key, by address. Merchants who share the payee are equals.
 */
function mayReplace(owner: Owner, before: Owner): boolean {
  if (owner.rank !== before.rank) return owner.rank > before.rank;
  return owner.rank === 2 || owner.name === before.name;
}

/** The entries that count, the newest first. If several are about one thing, the one of the highest rank counts. */
function listed(rows: readonly ResourceRow[]): readonly Listing[] {
  const best = new Map<string, Listing>();
  for (const { key: place, value } of rows) {
    const key = place.slice(place.indexOf(":") + 1);
    const { entry, owner }: Omit<Listing, "key"> = JSON.parse(value);
    const other = best.get(key);
    if (other === undefined || owner.rank > other.owner.rank) best.set(key, { key, entry, owner });
  }
  return rows.flatMap(({ key: place }) => {
    const [rank, key = ""] = place.split(":");
    const listing = best.get(key);
    return listing !== undefined && String(listing.owner.rank) === rank ? [listing] : [];
  });
}

/** An entry as it is shown, and its length in characters. */
type Sized = { readonly entry: CataloguedResource; readonly size: number };

/** Adds the description where clients look for it: in `metadata` for x402 v2, in `accepts` for v1. */
function sized({ entry: kept }: Listing): Sized {
  const { description } = kept;
  const again =
    description === undefined
      ? {}
      : kept.x402Version === 2
        ? { metadata: { description } }
        : { accepts: kept.accepts.map((accepted) => ({ ...accepted, description })) };
  const entry = { ...kept, ...again };
  return { entry, size: JSON.stringify(entry).length };
}

/** The first entries that fit into one answer, but at least one. */
function pageOf(entries: readonly Sized[]): readonly CataloguedResource[] {
  let size = 0;
  const end = entries.findIndex((one, index) => {
    size += one.size;
    return size > MOST_PAGE && index > 0;
  });
  return (end < 0 ? entries : entries.slice(0, end)).map(({ entry }) => entry);
}

/** The price that the server declared, according to a payment of x402 v2; 0 if it names none. */
function priceIn({ accepted }: PaymentPayload): bigint {
  const amount = propertyOf(accepted, "amount");
  return typeof amount === "string" && /^[0-9]{1,78}$/.test(amount) ? BigInt(amount) : 0n;
}

function no(rejectedReason: string): DeclarationResponse {
  return { status: "rejected", rejectedReason };
}

function fits(one: CataloguedResource, { type, payTo, scheme, network, extensions }: CatalogueFilter): boolean {
  return (
    (type === undefined || one.type === type) &&
    (extensions === undefined || Object.hasOwn(one.extensions ?? {}, extensions)) &&
    one.accepts.some(
      (accepted) =>
        (payTo === undefined || String(accepted.payTo).toLowerCase() === payTo.toLowerCase()) &&
        (scheme === undefined || accepted.scheme === scheme) &&
        (network === undefined || accepted.network === network),
    )
  );
}

/** What a payment declares about its resource. In x402 v2 the client repeats it from the server; in v1 the server sends it. */
function declaredIn(payload: PaymentPayload, requirements: PaymentRequirements, { version }: ExactRequest): unknown {
  return version === 2 ? propertyOf(payload.extensions, BAZAAR.key) : propertyOf(requirements, "outputSchema");
}

function describe(
  payload: PaymentPayload,
  requirements: PaymentRequirements,
  { required, version }: ExactRequest,
  declared: unknown,
  loopback: boolean,
): { readonly key: string; readonly entry: Omit<CataloguedResource, "lastUpdated"> } | undefined {
  try {
    const found = extractDiscoveryInfo(payload, requirements, false);
    const url = found === null ? undefined : publicUrl(found.resourceUrl, { loopback });
    if (found === null || url === undefined) return undefined;
    const { input } = found.discoveryInfo;
    const amount = required.amount.toString();
    const accepted = {
      scheme: required.scheme,
      network: required.network,
      asset: required.asset,
      payTo: required.payTo,
      ...(version === 2 ? { amount } : { maxAmountRequired: amount }),
      extra: required.domain,
    };
    const entry = {
      resource: url,
      type: input.type,
      x402Version: version,
      accepts: [accepted],
      ...optionalText("description", found.description),
      ...optionalText("mimeType", found.mimeType),
      ...(version === 2 ? serviceOf(payload, loopback) : {}),
      extensions: { [BAZAAR.key]: version === 2 ? declared : { info: found.discoveryInfo } },
    };
    // One URL may serve many MCP tools.
    const tool = input.type === "mcp" ? input.toolName : "";
    const parts = [entry.type, url, tool, required.payTo.toLowerCase(), required.network];
    return { key: createHash("sha256").update(JSON.stringify(parts)).digest("hex"), entry };
  } catch {
    // A malformed URL, or a v1 declaration of another shape.
    return undefined;
  }
}

function optionalText<Key extends string>(key: Key, text: unknown): Partial<Record<Key, string>> {
  if (typeof text !== "string" || text === "") return {};
  return { [key]: text.slice(0, MOST_TEXT) } as Partial<Record<Key, string>>;
}

/** What a service says about itself, by the official rules. Its icon must be at a public URL as well. */
function serviceOf({ resource }: PaymentPayload, loopback: boolean) {
  const { iconUrl, ...rest } = sanitizeResourceServiceMetadata(resource);
  return iconUrl !== undefined && publicUrl(iconUrl, { loopback }) !== undefined ? { ...rest, iconUrl } : rest;
}
