import { randomUUID } from "node:crypto";
import { getConnInfo } from "@hono/node-server/conninfo";
import type { x402Facilitator } from "@x402/core/facilitator";
import type { PaymentPayload, SettleResponse, VerifyResponse } from "@x402/core/types";
import { type Context, Hono, type MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { ChainUnavailableError } from "../../chain/errors.ts";
import type { Clock } from "../../clock.ts";
import { type AddressSet, callerAddressOf } from "../../http/addresses.ts";
import { isForeign } from "../../http/names.ts";
import { isOutage, type JournalError } from "../../journal/ports/errors.ts";
import type { Logger } from "../../logger.ts";
import { EngineBusyError, EngineClosedError } from "../../settlement/engine/errors.ts";
import type { AcceptsAnswer } from "../accepts/answer.ts";
import type { Admission } from "../admission/admission.ts";
import type { Capacity, Full } from "../admission/capacity.ts";
import { ClaimConflictError, MalformedHeaderError } from "../admission/claims.ts";
import type { Knock } from "../admission/door.ts";
import { askOf } from "../admission/payment.ts";
import { QuotaError } from "../admission/quota.ts";
import { CallerGoneError, requestName } from "../callers/bringers.ts";
import type { Caller } from "../callers/caller.ts";
import type { DeclarationResponse } from "../catalogue/catalogue.ts";
import type { ExactContext } from "../exact/exact.ts";
import type { SettleOptions } from "../exact/settle.ts";
import { aside } from "../health/aside.ts";
import { nameError } from "../health/log.ts";
import type { FacilitatorMetrics } from "../health/metrics.ts";
import { networkEcho, payerOf } from "../wire/body.ts";
import { REASON } from "../wire/reasons.ts";
import {
  type Call,
  type Endpoint,
  failure,
  paymentFields,
  type Refusal,
  readCall,
  type Status,
  unexpected,
} from "../wire/request.ts";
import { crossOrigin } from "./crossOrigin.ts";
import { readJson } from "./json.ts";
import { createViews, type ViewsPort } from "./views.ts";

export type AppPort = ViewsPort & {
  readonly x402: Pick<x402Facilitator, "verify" | "settle">;
  readonly metrics: Pick<FacilitatorMetrics, "refused" | "shed">;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Finds who asks, or why they may not ask now. */
  readonly enter: (knock: Knock) => Refusal | Caller;
  /** The proxies whose X-Forwarded-For is believed. */
  readonly isTrustedProxy: AddressSet;
  /** The origins of pages that may ask, in lower case. */
  readonly allowedOrigins: readonly string[];
  readonly admission: Pick<Admission, "checkIdentifier">;
  /** Completes requirements. */
  readonly accepts: (body: unknown, caller: Caller) => Promise<AcceptsAnswer>;
  /** Admits requests that can be answered in time. */
  readonly capacity: Capacity;
  /** Notes what a request brings besides its payload, for the scheme that gets the payload from the dispatcher. */
  readonly noteContext: (payload: PaymentPayload, context: ExactContext) => void;
};

const MOST_BODY_BYTES = 1_048_576;
const PAYMENT_BODY = "{ x402Version, paymentPayload, paymentRequirements }";
/** The body of a request to each endpoint. */
const BODIES: Readonly<Record<Endpoint, string>> = {
  verify: PAYMENT_BODY,
  settle: PAYMENT_BODY,
  accepts: "{ x402Version, resource?, accepts: [requirements] }",
};
/** The paths that pages of allowed origins may ask. The rest is for servers and operators. */
const PAGES_MAY_ASK = ["/supported", "/discovery/*", "/health", "/verify", "/settle"];

type Answer = {
  readonly response: VerifyResponse | SettleResponse;
  /** For the header EXTENSION-RESPONSES. */
  readonly bazaar: DeclarationResponse | undefined;
};

/** The HTTP interface of a facilitator. `idle` resolves when no request waits for its answer. */
export function createApp(port: AppPort): { readonly app: Hono; readonly idle: () => Promise<void> } {
  const { x402, clock, logger, metrics, catalogue, capacity } = port;
  const chainId = port.client.chain.id;
  const app = new Hono();
  let open = 0;
  let wake: () => void = () => undefined;

  const handle = async (c: Context, endpoint: Endpoint): Promise<Response> => {
    const requestId = requestIdOf(c);
    c.header("X-Request-Id", requestId);
    c.header("Cache-Control", "no-store");
    const startedMs = clock.now();
    let call: Call | undefined;
    let paymentId: number | undefined;
    const about = () => (call === undefined ? {} : { paymentId, ...paymentFields(call) });
    const refuse = (refusal: Refusal): Response => {
      const { status, reason, message, retryAfterSeconds } = refusal;
      if (retryAfterSeconds !== undefined) c.header("Retry-After", String(retryAfterSeconds));
      if (status === 401) c.header("WWW-Authenticate", "Bearer");
      metrics.refused(endpoint, status);
      logger.info("request refused", { requestId, endpoint, status, reason, message, ...about() });
      return c.json(failure(endpoint, refusal), status);
    };
    const strange = strangeness(c);
    if (strange !== undefined) return refuse({ ...strange, reason: unexpected(endpoint) });
    const caller = port.enter({
      endpoint,
      authorization: c.req.header("authorization"),
      address: callerAddressOf(peerOf(c), c.req.header("x-forwarded-for"), port.isTrustedProxy),
      idempotencyKey: c.req.header("idempotency-key"),
    });
    if ("status" in caller) return refuse(caller);
    // Comes before the body is read: under overload, a refusal must cost almost nothing.
    const seat = capacity.enter(endpoint, caller);
    if ("delayMs" in seat) return shed(c, endpoint, seat);
    const { signal } = c.req.raw;
    open += 1;
    try {
      const body = readJson(await c.req.text().catch(() => ""));
      await seat.begin(signal);
      if (!body.ok) return refuse({ status: 400, reason: REASON.invalidPayload, message: body.problem });
      if (endpoint === "accepts") {
        const answer = await port.accepts(body.value, caller);
        if (answer.status === 400) metrics.refused(endpoint, 400);
        const ms = clock.now() - startedMs;
        logger.info(endpoint, { requestId, merchant: caller.merchant?.id, status: answer.status, ms });
        return c.json(answer.body, answer.status);
      }
      const read = readCall(x402, body.value, endpoint, requestId);
      if ("status" in read) return refuse(read);
      call = read;
      const onPayment = (id: number): void => {
        paymentId = id;
      };
      const answering = endpoint === "verify" ? verify(call, caller) : settle(c, call, caller, { seat, onPayment });
      const { response, bazaar } = await answering;
      if (bazaar !== undefined) c.header("EXTENSION-RESPONSES", encodeHeader({ bazaar }));
      const result = ("isValid" in response ? response.invalidReason : response.errorReason) ?? "ok";
      const transaction = "transaction" in response ? response.transaction : undefined;
      const ms = clock.now() - startedMs;
      logger.info(endpoint, { requestId, merchant: caller.merchant?.id, ...about(), result, transaction, ms });
      return c.json(response, 200);
    } catch (error) {
      const cause = signal.aborted ? new CallerGoneError("gone") : error;
      return refuse(trouble(endpoint, { requestId, ...about() }, call, cause));
    } finally {
      seat.leave(signal.aborted ? "left" : "answered");
      open -= 1;
      if (open === 0) wake();
    }
  };

  /**
   * Why a request seems to come from a stranger's page in a browser; undefined if it does not. Such a page may post text and
   * forms anywhere, but JSON only if it is allowed to.
   */
  function strangeness(c: Context): Pick<Refusal, "status" | "message"> | undefined {
    const [origin, site, host] = [c.req.header("origin"), c.req.header("sec-fetch-site"), c.req.header("host")];
    if (isForeign({ origin, site, host }, port.allowedOrigins)) {
      return {
        status: 403,
        message: "pages of another origin may not ask here, unless the operator allows their origin",
      };
    }
    if (/^application\/json\s*(;|$)/i.test(c.req.header("content-type")?.trim() ?? "")) return undefined;
    return { status: 415, message: "the body has to be JSON: send it with Content-Type: application/json" };
  }

  /** Refuses a request that would not be answered in time. The log gets one line for each such period, not for each refusal. */
  function shed(c: Context, endpoint: Endpoint, { delayMs, retryAfterSeconds, isFirst }: Full): Response {
    const reason = unexpected(endpoint);
    c.header("Retry-After", String(retryAfterSeconds));
    metrics.shed(endpoint);
    if (isFirst)
      logger.warn("refusing settlements: there are more requests than can be answered in time", capacity.view());
    const message = `there are more requests than can be answered in time (${Math.ceil(delayMs / 1000)} s); nothing was accepted`;
    return c.json(failure(endpoint, { reason, message }), 503);
  }

  async function verify({ payload, requirements, exact, identifier }: Call, caller: Caller): Promise<Answer> {
    const fault = await port.readiness.journalFault();
    if (fault !== undefined) throw fault;
    if (exact !== undefined) await port.admission.checkIdentifier(askOf(exact, chainId, identifier));
    port.noteContext(payload, { caller, request: exact });
    const response = await x402.verify(payload, requirements);
    if (!response.isValid || exact === undefined) return { response, bazaar: undefined };
    const bazaar = await aside(logger, "looking at a declaration", () => catalogue.check(payload, requirements, exact));
    return { response, bazaar };
  }

  async function settle(
    c: Context,
    call: Call,
    caller: Caller,
    by: Pick<SettleOptions, "seat" | "onPayment">,
  ): Promise<Answer> {
    const { payload, requirements, exact, identifier, requestId } = call;
    if (exact !== undefined) await port.admission.checkIdentifier(askOf(exact, chainId, identifier));
    const { merchant } = caller;
    port.noteContext(payload, {
      request: exact,
      signal: c.req.raw.signal,
      source: merchant === undefined ? `x402:${requestId}` : `x402:${requestId}:${merchant.id}`,
      caller: { ...caller, request: requestName(caller.address, await c.req.text()) },
      identifier,
      ...by,
    });
    const response = await x402.settle(payload, requirements);
    if (!response.success || exact === undefined) return { response, bazaar: undefined };
    const bazaar = await aside(logger, "listing a resource", () => catalogue.add(payload, requirements, exact, caller));
    return { response, bazaar };
  }

  /** The answer after an error. Most of these are not the payment's fault. */
  function trouble(
    endpoint: Endpoint,
    fields: Readonly<Record<string, unknown>>,
    call: Call | undefined,
    error: unknown,
  ): Refusal {
    const echo = call === undefined ? {} : { network: networkEcho(call.payload), payer: payerOf(call.payload) };
    const no = (status: Status, message: string, retryAfterSeconds?: number): Refusal => {
      const reason = status === 400 || status === 409 ? REASON.invalidPayload : unexpected(endpoint);
      return { status, reason, message, retryAfterSeconds, ...echo };
    };
    if (error instanceof MalformedHeaderError) return no(400, error.message);
    if (error instanceof ClaimConflictError) return no(409, error.message);
    if (error instanceof QuotaError) return no(429, error.message, error.retryAfterSeconds);
    if (error instanceof CallerGoneError) return no(503, "the caller left", 2);
    if (error instanceof EngineClosedError || error instanceof EngineBusyError) return no(503, error.shortMessage, 5);
    if (isOutage(error)) {
      logger.warn(`${endpoint} refused`, { ...fields, error: error.shortMessage, details: error.details });
      return no(503, journalMessage(error), retryAfterSeconds(error));
    }
    logger.error(`${endpoint} failed`, { ...fields, error: nameError(error) });
    if (!(error instanceof ChainUnavailableError)) return no(500, "internal error", 2);
    return no(503, "the node does not answer; nothing is known against the payment", 2);
  }

  for (const path of PAGES_MAY_ASK) app.use(path, crossOrigin(port.allowedOrigins));
  for (const [endpoint, body] of Object.entries(BODIES) as [Endpoint, string][]) {
    const onError = (c: Context): Response => {
      metrics.refused(endpoint, 413);
      // The rest of the body is not read.
      c.header("Connection", "close");
      return c.json(failure(endpoint, { reason: REASON.invalidPayload, message: "the body is too large" }), 413);
    };
    app.post(`/${endpoint}`, limitBody(onError), (c) => handle(c, endpoint));
    app.get(`/${endpoint}`, (c) => c.json({ endpoint: `/${endpoint}`, description: `POST ${body}` }));
  }
  app.route("/", createViews(port));
  app.notFound((c) => c.json({ error: "there is nothing here" }, 404));
  app.onError((error, c) => {
    if (isOutage(error)) {
      c.header("Retry-After", String(retryAfterSeconds(error)));
      return c.json({ error: journalMessage(error) }, 503);
    }
    logger.error("request failed", { path: c.req.path, error: nameError(error) });
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
}

/**
 * Refuses bodies above the bound. A stated length is enough to tell, since the server reads no more than that. hono's own check
 * would build the whole request for it, and the body is then read as a web stream, which takes several times as long.
 */
function limitBody(onError: (c: Context) => Response): MiddlewareHandler {
  const counted = bodyLimit({ maxSize: MOST_BODY_BYTES, onError });
  return async (c, next) => {
    const length = c.req.header("content-length");
    if (length === undefined || c.req.header("transfer-encoding") !== undefined) return counted(c, next);
    return Number.parseInt(length, 10) > MOST_BODY_BYTES ? onError(c) : next();
  };
}

/** The caller's id for a request if it is harmless, else a new one. */
function requestIdOf(c: Context): string {
  const given = c.req.header("x-request-id");
  return given !== undefined && /^[A-Za-z0-9_.-]{1,64}$/.test(given) ? given : randomUUID();
}

/** The address at the other end of the socket; undefined without a socket. */
function peerOf(c: Context): string | undefined {
  try {
    return getConnInfo(c).remote.address;
  } catch {
    return undefined;
  }
}

/** How long a caller should wait. A new try soon makes sense only if the fault may pass by itself. */
function retryAfterSeconds({ kind }: JournalError): number {
  return kind === "busy" || kind === "unavailable" || kind === "indeterminate" ? 2 : 30;
}

function journalMessage({ shortMessage }: JournalError): string {
  return `${shortMessage} Nothing is known against the payment.`;
}

function encodeHeader(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64");
}
