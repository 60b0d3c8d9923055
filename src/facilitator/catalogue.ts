import { createHash } from "node:crypto";
import type { PaymentPayload, PaymentRequirements } from "@x402/core/types";
import { BAZAAR, extractDiscoveryInfo, sanitizeResourceServiceMetadata } from "@x402/extensions/bazaar";
import type { Clock } from "../clock.ts";
import type { Logger } from "../logger.ts";
import type { Store } from "../settlement/store/types.ts";
import { createDeclarationCheck } from "./declaration.ts";
import { type ExactRequest, propertyOf } from "./wire.ts";

/** One resource as /discovery/resources lists it. All of it was written by strangers. */
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
};

export type CatalogueFilter = {
  readonly type?: string | undefined;
  readonly payTo?: string | undefined;
  readonly scheme?: string | undefined;
  readonly network?: string | undefined;
  /** Key of an extension that the resource has. */
  readonly extensions?: string | undefined;
};

/** What became of a declaration, in the words of the header EXTENSION-RESPONSES. */
export type DeclarationResponse = {
  readonly status: "success" | "processing" | "rejected";
  readonly rejectedReason?: string;
};

/** Resources that were paid for here. Nothing in it throws for what a stranger wrote. */
export type Catalogue = {
  /** What is to be said of a payment's declaration before it settles; undefined where it has none. */
  readonly check: (
    payload: PaymentPayload,
    requirements: PaymentRequirements,
    request: ExactRequest,
  ) => DeclarationResponse | undefined;
  /** Lists the resource of a settled payment, if its server declared one that is valid. */
  readonly add: (
    payload: PaymentPayload,
    requirements: PaymentRequirements,
    request: ExactRequest,
  ) => Promise<DeclarationResponse | undefined>;
  /** The newest first. */
  readonly list: (
    query: CatalogueFilter & { readonly limit: number; readonly offset: number },
  ) => Promise<{ readonly items: readonly CataloguedResource[]; readonly total: number }>;
  /** Those that have every word of a text somewhere, the newest first. */
  readonly search: (
    query: CatalogueFilter & { readonly text: string; readonly limit: number },
  ) => Promise<{ readonly items: readonly CataloguedResource[]; readonly hasMore: boolean }>;
};

const MOST_RESOURCES = 1_000;
const MOST_TEXT = 500;
/** How often an entry is written at most: one that changed, and one that did not. */
const CHANGED_MS = 5_000;
const SAME_MS = 60_000;
/** How long a list that was read is good for: other processes add to it, too. */
const READ_AGAIN_MS = 5_000;

/**
 * The Bazaar's catalogue, kept in the journal. A resource enters it with a payment that settled, so that spam costs money;
 * its declaration is validated by the official package; nobody can replace the entry of another payee; the oldest make room.
 */
export function createCatalogue({ store, clock, logger }: { store: Store; clock: Clock; logger: Logger }): Catalogue {
  const check = createDeclarationCheck(clock);
  const written = new Map<string, { readonly text: string; readonly atMs: number }>();
  let known: { readonly atMs: number; readonly items: Promise<readonly CataloguedResource[]> } | undefined;

  const read = (): Promise<readonly CataloguedResource[]> => {
    if (known !== undefined && clock.now() - known.atMs < READ_AGAIN_MS) return known.items;
    const items = store.resources().then((rows) => rows.map(({ value }): CataloguedResource => JSON.parse(value)));
    known = { atMs: clock.now(), items };
    items.catch(() => {
      known = undefined;
    });
    return items;
  };

  /** The declaration's verdict, as a refusal or what else there is to say. */
  const judge = (declared: unknown, { version }: ExactRequest, look: boolean): DeclarationResponse | undefined => {
    if (declared === undefined || declared === null) return undefined;
    const verdict = check(declared, version, { look });
    if (verdict === undefined || verdict.isValid) return { status: verdict === undefined ? "processing" : "success" };
    return { status: "rejected", rejectedReason: verdict.reason };
  };

  return {
    check: (payload, requirements, request) => {
      // Whoever has not paid cannot make us look closer. It is listed when it is paid for.
      const response = judge(declaredIn(payload, requirements, request), request, false);
      return response?.status === "success" ? { status: "processing" } : response;
    },
    add: async (payload, requirements, request) => {
      const declared = declaredIn(payload, requirements, request);
      const response = judge(declared, request, true);
      if (response?.status !== "success") return response;
      const found = describe(payload, requirements, request, declared);
      if (found === undefined) return { status: "rejected", rejectedReason: "the resource has no usable URL" };
      const nowMs = clock.now();
      const text = JSON.stringify(found.entry);
      const before = written.get(found.key);
      const pauseMs = before?.text === text ? SAME_MS : CHANGED_MS;
      if (before !== undefined && nowMs - before.atMs < pauseMs) return response;
      try {
        const entry: CataloguedResource = { ...found.entry, lastUpdated: new Date(nowMs).toISOString() };
        await store.keepResource({ key: found.key, value: JSON.stringify(entry), updatedAtMs: nowMs }, MOST_RESOURCES);
      } catch {
        logger.warn("a resource was not kept in the catalogue", { resource: found.entry.resource });
        return { status: "rejected", rejectedReason: "the catalogue is not available" };
      }
      written.delete(found.key);
      written.set(found.key, { text, atMs: nowMs });
      const [oldest] = written.keys();
      if (written.size > MOST_RESOURCES && oldest !== undefined) written.delete(oldest);
      known = undefined;
      return response;
    },
    list: async ({ limit, offset, ...filter }) => {
      const matching = (await read()).filter((one) => fits(one, filter));
      return { items: matching.slice(offset, offset + limit), total: matching.length };
    },
    search: async ({ text, limit, ...filter }) => {
      const words = text.toLowerCase().split(/\s+/);
      const matching = (await read()).filter((one) => {
        const said = [one.resource, one.description, one.serviceName, ...(one.tags ?? [])].join(" ").toLowerCase();
        return fits(one, filter) && words.every((word) => said.includes(word));
      });
      return { items: matching.slice(0, limit), hasMore: matching.length > limit };
    },
  };
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

/** What a payment declares of its resource: in x402 v2 the client repeats it from the server, in v1 it is the server's. */
function declaredIn(payload: PaymentPayload, requirements: PaymentRequirements, { version }: ExactRequest): unknown {
  return version === 2 ? propertyOf(payload.extensions, BAZAAR.key) : propertyOf(requirements, "outputSchema");
}

function describe(
  payload: PaymentPayload,
  requirements: PaymentRequirements,
  { required, version }: ExactRequest,
  declared: unknown,
): { readonly key: string; readonly entry: Omit<CataloguedResource, "lastUpdated"> } | undefined {
  try {
    const found = extractDiscoveryInfo(payload, requirements, false);
    const url = found === null ? undefined : bareUrl(found.resourceUrl);
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
      ...(version === 2 ? sanitizeResourceServiceMetadata(payload.resource) : {}),
      extensions: { [BAZAAR.key]: version === 2 ? declared : { info: found.discoveryInfo } },
    };
    // One URL may have many MCP tools.
    const tool = input.type === "mcp" ? input.toolName : "";
    const parts = [entry.type, url, tool, required.payTo.toLowerCase(), required.network];
    return { key: createHash("sha256").update(JSON.stringify(parts)).digest("hex"), entry };
  } catch {
    // A URL that is none, or a v1 declaration of another shape.
    return undefined;
  }
}

function optionalText<Key extends string>(key: Key, text: unknown): Partial<Record<Key, string>> {
  if (typeof text !== "string" || text === "") return {};
  return { [key]: text.slice(0, MOST_TEXT) } as Partial<Record<Key, string>>;
}

/** An http(s) URL without query, fragment and credentials. */
function bareUrl(text: string): string | undefined {
  if (text.length > 2_048 || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:") return undefined;
  return `${url.origin}${url.pathname}`;
}
