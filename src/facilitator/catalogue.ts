import type { PaymentPayload, PaymentRequirements } from "@x402/core/types";
import { extractDiscoveryInfo, sanitizeResourceServiceMetadata } from "@x402/extensions/bazaar";
import type { Clock } from "../clock.ts";
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
  readonly extensions?: Readonly<Record<string, unknown>>;
};

export type CatalogueQuery = {
  readonly type?: string | undefined;
  readonly payTo?: string | undefined;
  readonly scheme?: string | undefined;
  readonly network?: string | undefined;
  readonly limit: number;
  readonly offset: number;
};

/** Resources that were paid for here. */
export type Catalogue = {
  /** Lists the resource of a settled payment, if its server declared one that is valid. Never throws. */
  readonly add: (payload: PaymentPayload, requirements: PaymentRequirements, request: ExactRequest) => void;
  readonly list: (query: CatalogueQuery) => { readonly items: readonly CataloguedResource[]; readonly total: number };
};

const MOST_RESOURCES = 1_000;
const MOST_BYTES = 32_768;
const MOST_TEXT = 500;

/**
 * The Bazaar's catalogue. A resource enters it with a payment that settled, so that spam costs money; its declaration is
 * validated by the official package; nobody can replace the entry of another payee. It is kept in memory.
 */
export function createCatalogue(clock: Clock): Catalogue {
  const resources = new Map<string, CataloguedResource & { readonly payTo: string }>();
  return {
    add: (payload, requirements, request) => {
      const found = describe(payload, requirements, request, clock.now());
      if (found === undefined) return;
      const key = `${found.type} ${found.resource} ${found.payTo}`.toLowerCase();
      resources.delete(key);
      resources.set(key, found);
      const [oldest] = resources.keys();
      if (resources.size > MOST_RESOURCES && oldest !== undefined) resources.delete(oldest);
    },
    list: ({ type, payTo, scheme, network, limit, offset }) => {
      const matching = [...resources.values()]
        .reverse()
        .filter(
          (one) =>
            (type === undefined || one.type === type) &&
            (payTo === undefined || one.payTo.toLowerCase() === payTo.toLowerCase()) &&
            one.accepts.some(
              (accepted) =>
                (scheme === undefined || accepted.scheme === scheme) &&
                (network === undefined || accepted.network === network),
            ),
        );
      const items = matching.slice(offset, offset + limit).map(({ payTo: _, ...item }) => item);
      return { items, total: matching.length };
    },
  };
}

function describe(
  payload: PaymentPayload,
  requirements: PaymentRequirements,
  request: ExactRequest,
  nowMs: number,
): (CataloguedResource & { payTo: string }) | undefined {
  const declared =
    request.version === 2 ? propertyOf(payload.extensions, "bazaar") : propertyOf(requirements, "outputSchema");
  if (declared === undefined || declared === null) return undefined;
  try {
    const text = JSON.stringify(declared);
    if (text.length > MOST_BYTES) return undefined;
    const found = extractDiscoveryInfo(payload, requirements, true);
    const url = found === null ? undefined : bareUrl(found.resourceUrl);
    if (found === null || url === undefined) return undefined;
    const { required, version } = request;
    const amount = required.amount.toString();
    const accepted = {
      scheme: required.scheme,
      network: required.network,
      asset: required.asset,
      payTo: required.payTo,
      ...(version === 2 ? { amount } : { maxAmountRequired: amount }),
      extra: required.domain,
    };
    const service = sanitizeResourceServiceMetadata(payload.resource);
    return {
      resource: url,
      type: found.discoveryInfo.input.type,
      x402Version: version,
      accepts: [accepted],
      lastUpdated: new Date(nowMs).toISOString(),
      ...optionalText("description", found.description),
      ...optionalText("mimeType", found.mimeType),
      ...(service.serviceName === undefined ? {} : { serviceName: service.serviceName }),
      ...(service.tags === undefined ? {} : { tags: service.tags }),
      extensions: { bazaar: found.discoveryInfo },
      payTo: required.payTo,
    };
  } catch {
    // A declaration that the validator cannot even read.
    return undefined;
  }
}

function optionalText<Key extends string>(key: Key, text: string | undefined): Partial<Record<Key, string>> {
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
