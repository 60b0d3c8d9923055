import { randomUUID } from "node:crypto";
import { getConnInfo } from "@hono/node-server/conninfo";
import type { x402Facilitator } from "@x402/core/facilitator";
import type { PaymentPayload, PaymentRequirements, SettleResponse, VerifyResponse } from "@x402/core/types";
import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { Hex } from "viem";
import { getAddress } from "viem";
import type { ChainClient } from "../chain/client.ts";
import { ChainUnavailableError } from "../chain/errors.ts";
import type { Clock } from "../clock.ts";
import { TributaryError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { networkOf } from "../networks.ts";
import type { SettlementEngine } from "../settlement/engine.ts";
import type { Store } from "../settlement/store/types.ts";
import type { Catalogue } from "./catalogue.ts";
import type { FacilitatorMetrics } from "./metrics.ts";
import { REASON, reasonFor } from "./reasons.ts";
import { CallerGoneError, type SettleOptions } from "./settle.ts";
import { readPaymentStatus } from "./status.ts";
import { isPermit2, networkEcho, payerOf, propertyOf, readEnvelope, readExact } from "./wire.ts";

export type AppPort = {
  readonly x402: x402Facilitator;
  readonly engine: SettlementEngine;
  readonly store: Store;
  readonly client: ChainClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: FacilitatorMetrics;
  readonly catalogue: Catalogue;
  /** Whether there is a router on this chain. */
  readonly batches: boolean;
  readonly limiter: (caller: string) => number | undefined;
  readonly isClosing: () => boolean;
  /** Runs a settlement with what its request brings along. */
  readonly withOptions: <T>(options: SettleOptions, work: () => Promise<T>) => Promise<T>;
};

const MOST_BODY_BYTES = 1_048_576;
const NO_ROUTER = "there is no settlement router on this chain: payments settle one by one";

type Endpoint = "verify" | "settle";
type Call = {
  readonly endpoint: Endpoint;
  readonly requestId: string;
  readonly payload: PaymentPayload;
  readonly requirements: PaymentRequirements;
};
type Status = 200 | 400 | 413 | 429 | 500 | 503;

/** The HTTP interface of a facilitator. `idle` resolves when no payment is being answered. */
export function createApp(port: AppPort): { readonly app: Hono; readonly idle: () => Promise<void> } {
  const { x402, clock, logger, metrics } = port;
  const app = new Hono();
  let open = 0;
  let wake: () => void = () => undefined;

  const answer = async (c: Context, endpoint: Endpoint): Promise<Response> => {
    const requestId = requestIdOf(c);
    c.header("X-Request-Id", requestId);
    c.header("Cache-Control", "no-store");
    const startedMs = clock.now();
    const refuse = (status: Status, reason: string, message: string, retryAfter?: number): Response => {
      if (retryAfter !== undefined) c.header("Retry-After", String(retryAfter));
      metrics.refused(endpoint, status);
      logger.info("request refused", { requestId, endpoint, status, reason, message });
      return c.json(failure(endpoint, { reason, message }), status);
    };
    if (port.isClosing()) return refuse(503, unexpected(endpoint), "the facilitator is stopping", 5);
    const waitSeconds = port.limiter(callerOf(c));
    if (waitSeconds !== undefined) return refuse(429, unexpected(endpoint), "too many requests", waitSeconds);

    const body = await readBody(c);
    if (body === undefined) return refuse(400, REASON.invalidPayload, "the body is not JSON");
    const call = readCall(body, endpoint, requestId);
    if ("status" in call) {
      metrics.refused(endpoint, call.status);
      logger.info("request refused", {
        requestId,
        endpoint,
        status: call.status,
        reason: call.reason,
        message: call.message,
      });
      return c.json(failure(endpoint, call), call.status);
    }
    open += 1;
    try {
      const response = await dispatch(c, call);
      const { payer } = response;
      const reason = "isValid" in response ? response.invalidReason : response.errorReason;
      const transaction = "transaction" in response ? response.transaction : undefined;
      const ms = clock.now() - startedMs;
      logger.info(endpoint, { requestId, payer, result: reason ?? "ok", transaction, ms });
      return c.json(response, 200);
    } catch (error) {
      return trouble(c, call, error);
    } finally {
      open -= 1;
      if (open === 0) wake();
    }
  };

  async function dispatch(
    c: Context,
    { endpoint, requestId, payload, requirements }: Call,
  ): Promise<VerifyResponse | SettleResponse> {
    if (endpoint === "verify") return x402.verify(payload, requirements);
    const options = { signal: c.req.raw.signal, source: `x402:${requestId}` };
    const settled = await port.withOptions(options, () => x402.settle(payload, requirements));
    if (settled.success) {
      const read = readExact(payload, requirements);
      if (read.ok) port.catalogue.add(payload, requirements, read.value);
    }
    return settled;
  }

  /** An answer about something that is not the payment's fault. */
  function trouble(c: Context, { endpoint, requestId, payload }: Call, error: unknown): Response {
    const isOutage = error instanceof ChainUnavailableError;
    const status = isOutage ? 503 : 500;
    if (error instanceof CallerGoneError) logger.info("the caller went away", { requestId, endpoint });
    else logger.error(`${endpoint} failed`, { requestId, error: describeError(error) });
    metrics.refused(endpoint, status);
    c.header("Retry-After", "2");
    const message = isOutage ? "the node does not answer; nothing is known against the payment" : "internal error";
    const payer = payerOf(payload);
    return c.json(
      failure(endpoint, { reason: unexpected(endpoint), message, network: networkEcho(payload), payer }),
      status,
    );
  }

  for (const endpoint of ["verify", "settle"] as const) {
    const onError = (c: Context): Response => {
      metrics.refused(endpoint, 413);
      // What is left of the body is not read.
      c.header("Connection", "close");
      return c.json(failure(endpoint, { reason: REASON.invalidPayload, message: "the body is too large" }), 413);
    };
    app.post(`/${endpoint}`, bodyLimit({ maxSize: MOST_BODY_BYTES, onError }), (c) => answer(c, endpoint));
    app.get(`/${endpoint}`, (c) =>
      c.json({ endpoint: `/${endpoint}`, description: `POST { x402Version, paymentPayload, paymentRequirements }` }),
    );
  }
  app.get("/supported", (c) => c.json(x402.getSupported()));
  app.get("/health", (c) =>
    c.json({ status: "ok", batches: port.batches, ...(port.batches ? {} : { notice: NO_ROUTER }) }),
  );
  app.get("/ready", async (c) => {
    const problem = await findProblem(port);
    if (problem === undefined) return c.json({ status: "ready" });
    c.header("Retry-After", "2");
    return c.json({ status: "not-ready", problem }, 503);
  });
  app.get("/metrics", async (c) => {
    const { body, contentType } = await metrics.render();
    return c.body(body, 200, { "Content-Type": contentType });
  });
  app.get("/payments/:network/:asset/:payer/:nonce", async (c) => {
    const { network, asset, payer, nonce } = c.req.param();
    const { chain } = port.client;
    const isHere = network === `eip155:${chain.id}` || network === networkOf(chain.id)?.v1Name;
    const isWellFormed =
      [asset, payer].every((one) => /^0x[0-9a-fA-F]{40}$/.test(one)) && /^0x[0-9a-fA-F]{64}$/.test(nonce);
    if (!isWellFormed) return c.json({ error: "give /payments/{network}/{asset}/{payer}/{nonce}" }, 400);
    if (!isHere) return c.json({ error: `this facilitator is on eip155:${chain.id}` }, 404);
    const at = {
      network,
      chainId: chain.id,
      asset: getAddress(asset.toLowerCase()),
      payer: getAddress(payer.toLowerCase()),
      nonce: nonce.toLowerCase() as Hex,
    };
    const status = await readPaymentStatus(port.store, at);
    c.header("Cache-Control", "no-store");
    return status === undefined ? c.json({ error: "no such payment was accepted here" }, 404) : c.json(status);
  });
  app.get("/discovery/resources", (c) => {
    const query = c.req.query();
    const limit = bounded(query.limit, 20, 1, 100);
    const offset = bounded(query.offset, 0, 0, Number.MAX_SAFE_INTEGER);
    const { type, payTo, scheme, network } = query;
    const { items, total } = port.catalogue.list({ type, payTo, scheme, network, limit, offset });
    return c.json({ x402Version: 2, items, pagination: { limit, offset, total } });
  });
  app.notFound((c) => c.json({ error: "there is nothing here" }, 404));
  app.onError((error, c) => {
    logger.error("request failed", { path: c.req.path, error: describeError(error) });
    return c.json({ error: "internal error" }, 500);
  });

  const idle = async (): Promise<void> => {
    if (open === 0) return;
    const before = wake;
    await new Promise<void>((resolve) => {
      wake = () => {
        before();
        resolve();
      };
    });
  };
  return { app, idle };

  /** Reads who handles a request, and that the scheme can read it: malformed is 400, unsupported a business answer. */
  function readCall(body: unknown, endpoint: Endpoint, requestId: string): Call | Refusal {
    const rawPayload = propertyOf(body, "paymentPayload");
    const rawRequirements = propertyOf(body, "paymentRequirements");
    const echo = { network: networkEcho(rawPayload), payer: payerOf(rawPayload) };
    const read = readEnvelope(body);
    if (!read.ok) {
      const version = propertyOf(rawPayload, "x402Version");
      const isVersion = typeof version === "number" && version !== 1 && version !== 2;
      const reason = isVersion ? REASON.invalidVersion : REASON.invalidPayload;
      return { status: 400, reason, message: read.problem, ...echo };
    }
    const { version, scheme, network } = read.value;
    const kinds = x402.getSupported().kinds.filter((kind) => kind.x402Version === version);
    const no = (reason: string, message: string): Refusal => {
      return { status: 200, reason: reasonFor(version, reason), message, ...echo };
    };
    if (!kinds.some((kind) => kind.scheme === scheme))
      return no(REASON.unsupportedScheme, "this scheme is not served here");
    if (!kinds.some((kind) => kind.network === network))
      return no(REASON.invalidNetwork, "this network is not served here");
    if (!isPermit2(rawPayload) && scheme === "exact") {
      const exact = readExact(rawPayload, rawRequirements);
      if (!exact.ok) return { status: 400, reason: REASON.invalidPayload, message: exact.problem, ...echo };
    }
    // Read above, in every part that is used.
    return {
      endpoint,
      requestId,
      payload: rawPayload as PaymentPayload,
      requirements: rawRequirements as PaymentRequirements,
    };
  }
}

type Refusal = {
  readonly status: 200 | 400;
  readonly reason: string;
  readonly message: string;
  readonly network: string;
  readonly payer: string | undefined;
};

/** A well-formed answer of an endpoint that says no. */
function failure(
  endpoint: Endpoint,
  {
    reason,
    message,
    network = "",
    payer,
  }: { reason: string; message: string; network?: string; payer?: string | undefined },
) {
  const named = payer === undefined ? {} : { payer };
  return endpoint === "verify"
    ? { isValid: false, invalidReason: reason, invalidMessage: message, ...named }
    : { success: false, errorReason: reason, errorMessage: message, transaction: "", network, ...named };
}

function unexpected(endpoint: Endpoint): string {
  return endpoint === "verify" ? REASON.verifyError : REASON.settleError;
}

async function readBody(c: Context): Promise<unknown> {
  try {
    const body: unknown = JSON.parse(await c.req.text());
    return body;
  } catch {
    return undefined;
  }
}

/** The caller's id of a request where it is harmless, else a new one. */
function requestIdOf(c: Context): string {
  const given = c.req.header("x-request-id");
  return given !== undefined && /^[A-Za-z0-9_.-]{1,64}$/.test(given) ? given : randomUUID();
}

function callerOf(c: Context): string {
  try {
    return getConnInfo(c).remote.address ?? "unknown";
  } catch {
    return "unknown";
  }
}

async function findProblem({ engine, store, client, isClosing }: AppPort): Promise<string | undefined> {
  if (isClosing()) return "the facilitator is stopping";
  const accounts = engine.accounts();
  if (accounts.every(({ paused }) => paused !== undefined)) {
    return `no key can send: ${accounts.map(({ address, paused }) => `${address} ${paused}`).join(", ")}`;
  }
  try {
    await Promise.all([client.getBlockNumber(), store.count(client.chain.id)]);
    return undefined;
  } catch (error) {
    return describeError(error);
  }
}

/** An error in one line, without what a node's URL may hold. */
function describeError(error: unknown): string {
  if (error instanceof TributaryError) return error.shortMessage;
  return error instanceof Error ? error.name : "unknown";
}

function bounded(text: string | undefined, fallback: number, minimum: number, maximum: number): number {
  const value = text !== undefined && /^[0-9]{1,15}$/.test(text) ? Number(text) : fallback;
  return Math.min(maximum, Math.max(minimum, value));
}
