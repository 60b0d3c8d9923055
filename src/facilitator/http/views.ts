import type { x402Facilitator } from "@x402/core/facilitator";
import { type Context, Hono } from "hono";
import type { Hex } from "viem";
import { getAddress } from "viem";
import type { ChainClient } from "../../chain/client.ts";
import { packageVersion } from "../../files.ts";
import type { Journal } from "../../journal/ports/journal.ts";
import { networkOf } from "../../networks.ts";
import type { CapacityView } from "../admission/capacity.ts";
import type { Catalogue } from "../catalogue/catalogue.ts";
import type { FacilitatorMetrics } from "../health/metrics.ts";
import type { Readiness } from "../health/readiness.ts";
import { readPaymentStatus } from "./status.ts";

export type ViewsPort = {
  readonly x402: Pick<x402Facilitator, "getSupported">;
  readonly journal: Journal;
  readonly client: ChainClient;
  readonly metrics: Pick<FacilitatorMetrics, "render">;
  readonly catalogue: Catalogue;
  /** Whether the chain has a router. */
  readonly batches: boolean;
  /** How many requests are inside, and how long answers take. */
  readonly load: () => CapacityView;
  readonly readiness: Readiness;
};

/** The most resources on a page. Some clients ask for a thousand, and take a shorter page for the last one. */
const MOST_LISTED = 1_000;

const ENDPOINTS = {
  "POST /verify": "whether a payment is good; changes nothing",
  "POST /settle": "settles a payment, and answers when it is mined",
  "POST /accepts": "completes payment requirements, for servers that ask for that",
  "GET /supported": "schemes, networks, extensions and sending keys",
  "GET /payments/{network}/{asset}/{payer}/{nonce}": "what became of a payment",
  "GET /discovery/resources": "resources that were paid for here",
  "GET /discovery/search?query=": "the same, by words",
  "GET /health": "alive",
  "GET /ready": "able to settle",
  "GET /version": "what runs here",
};

const NO_ROUTER = "there is no settlement router on this chain: payments settle one by one";

/** Serves what a facilitator shows: kinds, health, metrics, the status of payments, the catalogue. It changes nothing. */
export function createViews(port: ViewsPort): Hono {
  const { x402, metrics, catalogue } = port;
  const views = new Hono();
  const version = { name: "tributary", version: packageVersion() };
  views.get("/", (c) => c.json(describe(port, version)));
  views.get("/version", (c) => c.json({ ...version, x402Versions: versionsOf(x402) }));
  views.get("/supported", (c) => c.json(x402.getSupported()));
  views.get("/health", (c) =>
    c.json({ status: "ok", batches: port.batches, ...(port.batches ? {} : { notice: NO_ROUTER }) }),
  );
  views.get("/ready", async (c) => {
    const problem = await port.readiness.problem();
    // A facilitator that sheds requests answers as many as it can. Out of service, it would leave more to the others.
    if (problem === undefined) return c.json({ status: "ready", shedding: port.load().isShedding });
    c.header("Retry-After", "2");
    return c.json({ status: "not-ready", problem }, 503);
  });
  views.get("/metrics", async (c) => {
    const { body, contentType } = await metrics.render();
    return c.body(body, 200, { "Content-Type": contentType });
  });
  views.get("/payments/:network/:asset/:payer/:nonce", (c) => showPayment(c, port));
  views.get("/discovery/resources", async (c) => {
    const query = c.req.query();
    const most = bounded(query.limit, 20, 1, MOST_LISTED);
    const offset = bounded(query.offset, 0, 0, Number.MAX_SAFE_INTEGER);
    const { items, total, limit } = await catalogue.list({ ...filterOf(query), limit: most, offset });
    return c.json({ x402Version: 2, items, pagination: { limit, offset, total } });
  });
  views.get("/discovery/search", async (c) => {
    const query = c.req.query();
    const text = query.query?.trim().slice(0, 500) ?? "";
    if (text === "") return c.json({ error: "give a query" }, 400);
    const limit = bounded(query.limit, 20, 1, 100);
    const { items, hasMore } = await catalogue.search({ ...filterOf(query), text, limit });
    return c.json({ x402Version: 2, resources: items, partialResults: hasMore, pagination: null });
  });
  return views;
}

/** Describes the facilitator for a visitor who knows only its address. */
function describe({ client, x402 }: ViewsPort, version: { readonly name: string; readonly version: string }) {
  const { chain } = client;
  const { kinds } = x402.getSupported();
  return {
    ...version,
    description: "An x402 facilitator whose settlements share transactions.",
    x402Versions: versionsOf(x402),
    network: { id: `eip155:${chain.id}`, name: networkOf(chain.id)?.title ?? `chain ${chain.id}` },
    schemes: [...new Set(kinds.map(({ scheme }) => scheme))],
    endpoints: ENDPOINTS,
  };
}

function versionsOf(x402: ViewsPort["x402"]): readonly number[] {
  return [...new Set(x402.getSupported().kinds.map(({ x402Version }) => x402Version))].sort();
}

async function showPayment(c: Context, { client, journal }: ViewsPort): Promise<Response> {
  const { network = "", asset = "", payer = "", nonce = "" } = c.req.param();
  const { chain } = client;
  const isHere = network === `eip155:${chain.id}` || network === networkOf(chain.id)?.v1Name;
  const isWellFormed =
    [asset, payer].every((one) => /^0x[0-9a-fA-F]{40}$/.test(one)) && /^0x[0-9a-fA-F]{64}$/.test(nonce);
  if (!isWellFormed) return c.json({ error: "give /payments/{network}/{asset}/{payer}/{nonce}" }, 400);
  if (!isHere) return c.json({ error: `this facilitator is on eip155:${chain.id}` }, 404);
  const status = await readPaymentStatus(journal, {
    network,
    chainId: chain.id,
    asset: getAddress(asset.toLowerCase()),
    payer: getAddress(payer.toLowerCase()),
    nonce: nonce.toLowerCase() as Hex,
  });
  c.header("Cache-Control", "no-store");
  return status === undefined ? c.json({ error: "no such payment was accepted here" }, 404) : c.json(status);
}

function filterOf({ type, payTo, scheme, network, extensions }: Record<string, string | undefined>) {
  return { type, payTo, scheme, network, extensions };
}

function bounded(text: string | undefined, fallback: number, minimum: number, maximum: number): number {
  const value = text !== undefined && /^[0-9]{1,15}$/.test(text) ? Number(text) : fallback;
  return Math.min(maximum, Math.max(minimum, value));
}
