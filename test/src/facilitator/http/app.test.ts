import type { PaymentPayload, SettleResponse, VerifyResponse } from "@x402/core/types";
import { expect } from "chai";
import type { Hono } from "hono";
import { ChainUnavailableError } from "../../../../src/chain/errors.ts";
import type { Full, Seat } from "../../../../src/facilitator/admission/capacity.ts";
import { ClaimConflictError, MalformedHeaderError } from "../../../../src/facilitator/admission/claims.ts";
import type { Knock } from "../../../../src/facilitator/admission/door.ts";
import { QuotaError } from "../../../../src/facilitator/admission/quota.ts";
import { CallerGoneError } from "../../../../src/facilitator/callers/bringers.ts";
import { type Caller, NOBODY } from "../../../../src/facilitator/callers/caller.ts";
import { type Merchant, parseMerchantKeys } from "../../../../src/facilitator/callers/merchants.ts";
import type { Catalogue } from "../../../../src/facilitator/catalogue/catalogue.ts";
import type { ExactContext } from "../../../../src/facilitator/exact/exact.ts";
import { type AppPort, createApp } from "../../../../src/facilitator/http/app.ts";
import type { Refusal } from "../../../../src/facilitator/wire/request.ts";
import { createAddressSet } from "../../../../src/http/addresses.ts";
import { type Journal, JournalError, type JournalErrorKind } from "../../../../src/journal/index.ts";
import type { Logger } from "../../../../src/logger.ts";
import { EngineBusyError, EngineClosedError } from "../../../../src/settlement/engine/errors.ts";
import { authorize, bodyV2, JSON_BODY, payerOf } from "../../../helpers/facilitator.ts";
import { createFakeNode } from "../../../helpers/fakeNode.ts";
import { until } from "../../../helpers/until.ts";
import { hashOf } from "../../journal/fixtures.ts";

const CAIP2 = "eip155:84532";
const [shop] = parseMerchantKeys(`shop=${"s".repeat(40)}`) as [Merchant];
const settled: SettleResponse = { success: true, transaction: hashOf("tx 1"), network: CAIP2 };
const kinds = [{ x402Version: 2, scheme: "exact", network: CAIP2 }];

type Answered = { readonly status: number; readonly headers: Headers; readonly body: Record<string, unknown> };

describe("createApp", () => {
  let body: ReturnType<typeof bodyV2>;
  before(async () => {
    body = bodyV2(await authorize(payerOf(1)));
  });

  /** What a test changes, and what it checks afterwards. */
  let caller: Caller | Refusal;
  let full: Full | undefined;
  let fault: JournalError | undefined;
  let identified: Error | undefined;
  let listing: Catalogue["add"];
  let answer: (payload: PaymentPayload) => Promise<SettleResponse>;
  let verdict: () => Promise<VerifyResponse>;
  let knocks: Knock[];
  let contexts: ExactContext[];
  let left: string[];
  let refused: string[];
  let shed: string[];
  let logged: { readonly message: string; readonly fields: Readonly<Record<string, unknown>> }[];
  beforeEach(() => {
    caller = NOBODY;
    full = undefined;
    fault = undefined;
    identified = undefined;
    listing = async () => undefined;
    answer = async () => settled;
    verdict = async () => ({ isValid: true, payer: payerOf(1).address });
    [knocks, contexts, left, refused, shed, logged] = [[], [], [], [], [], []];
  });

  function open(change: Partial<AppPort> = {}): ReturnType<typeof createApp> {
    const log = (message: string, fields: Readonly<Record<string, unknown>> = {}) =>
      void logged.push({ message, fields });
    const logger: Logger = { debug: log, info: log, warn: log, error: log };
    const known = new WeakMap<PaymentPayload, ExactContext>();
    const seat: Seat = {
      begin: async () => undefined,
      waits: () => undefined,
      keep: () => undefined,
      leave: (outcome) => void left.push(outcome),
    };
    const view = { inside: { verify: 0, settle: 0 }, delayMs: 0, perSecond: 1, isShedding: false };
    return createApp({
      x402: {
        getSupported: () => ({ kinds, extensions: [], signers: {} }),
        verify: () => verdict(),
        settle: (payload: PaymentPayload) => {
          const context = known.get(payload);
          if (context !== undefined) contexts.push(context);
          return answer(payload);
        },
      },
      journal: {} as Journal,
      client: createFakeNode().client,
      clock: { now: Date.now, sleep: () => Promise.resolve() },
      logger,
      metrics: {
        refused: (path, status) => void refused.push(`${path} ${status}`),
        shed: (endpoint) => void shed.push(endpoint),
        render: () => Promise.reject(new Error("nobody asks for it")),
      },
      catalogue: {
        check: () => undefined,
        add: (...given) => listing(...given),
        list: () => Promise.reject(new Error("nobody asks for it")),
        search: () => Promise.reject(new Error("nobody asks for it")),
      },
      batches: true,
      enter: (knock) => {
        knocks.push(knock);
        return caller;
      },
      isTrustedProxy: createAddressSet([]),
      allowedOrigins: [],
      admission: {
        checkIdentifier: async () => {
          if (identified !== undefined) throw identified;
        },
      },
      accepts: async () => ({ status: 200, body: { accepts: [] } }),
      capacity: { enter: () => full ?? seat, view: () => view },
      load: () => view,
      readiness: { problem: async () => undefined, journalFault: async () => fault },
      noteContext: (payload, context) => void known.set(payload, context),
      ...change,
    });
  }

  async function ask(
    app: Hono,
    path: string,
    given: unknown = body,
    { headers = {}, signal }: { readonly headers?: Record<string, string>; readonly signal?: AbortSignal } = {},
  ): Promise<Answered> {
    const response = await app.fetch(
      new Request(`http://127.0.0.1${path}`, {
        method: "POST",
        headers: { ...JSON_BODY, ...headers },
        body: typeof given === "string" ? given : JSON.stringify(given),
        ...(signal && { signal }),
      }),
    );
    return { status: response.status, headers: response.headers, body: (await response.json()) as Answered["body"] };
  }

  describe("a payment that is answered", () => {
    it("has the answer of the dispatcher and an id, and is not cached", async () => {
      const { app } = open();
      const { status, headers, body: response } = await ask(app, "/settle");
      expect([status, response]).to.deep.equal([200, settled]);
      expect(headers.get("x-request-id")).to.match(/^[0-9a-f-]{36}$/);
      expect(headers.get("cache-control")).to.equal("no-store");
      expect((await ask(app, "/verify")).body).to.deep.equal({ isValid: true, payer: payerOf(1).address });
      expect(left).to.deep.equal(["answered", "answered"]);
      expect(refused).to.deep.equal([]);
    });

    it("is passed on with its caller, its parsed request, its source and a name for the whole request", async () => {
      const { app } = open();
      caller = { merchant: shop, address: "10.0.0.1" };
      await ask(app, "/settle", body, { headers: { "x-request-id": "abc.1" } });
      await ask(app, "/settle", JSON.stringify(body, undefined, 1));
      const [first, second] = contexts;
      expect(first).to.include({ source: "x402:abc.1:shop", identifier: undefined });
      expect(first?.caller).to.include({ merchant: shop, address: "10.0.0.1" });
      expect(first?.request?.authorization.from).to.equal(payerOf(1).address);
      expect(first?.caller?.request).to.be.a("string").and.not.to.equal(second?.caller?.request);
    });

    it("repeats a caller's id if it is harmless, and gives a new one otherwise", async () => {
      const { app } = open();
      const idOf = async (id: string) =>
        (await ask(app, "/settle", body, { headers: { "x-request-id": id } })).headers.get("x-request-id");
      expect(await idOf("order_1.a-B")).to.equal("order_1.a-B");
      for (const id of ["two words", "x".repeat(65), "<script>"]) expect(await idOf(id)).to.match(/^[0-9a-f-]{36}$/);
    });

    it("knocks with its key, its address and its Idempotency-Key", async () => {
      await ask(open().app, "/settle", body, {
        headers: { authorization: "Bearer key", "idempotency-key": "order-1" },
      });
      expect(knocks).to.have.length(1);
      expect(knocks[0]).to.include({ endpoint: "settle", authorization: "Bearer key", idempotencyKey: "order-1" });
    });

    it("reports the outcome of a declaration, and stays the same if listing it fails", async () => {
      listing = async () => ({ status: "success" });
      const header = (await ask(open().app, "/settle")).headers.get("extension-responses");
      expect(JSON.parse(Buffer.from(header ?? "", "base64").toString())).to.deep.equal({
        ...{ bazaar: { status: "success" } },
      });
      listing = () => Promise.reject(new Error("broken"));
      const stands = await ask(open().app, "/settle");
      expect([stands.status, stands.body]).to.deep.equal([200, settled]);
      expect(stands.headers.get("extension-responses")).to.equal(null);
    });

    it("is not listed if it failed, which is an answer like any other", async () => {
      let isListed = false;
      listing = async () => {
        isListed = true;
        return undefined;
      };
      answer = async () => ({ success: false, errorReason: "duplicate_settlement", transaction: "", network: CAIP2 });
      const { status, body: response } = await ask(open().app, "/settle");
      expect(status).to.equal(200);
      expect(response).to.include({ success: false, errorReason: "duplicate_settlement" });
      expect(isListed).to.equal(false);
    });
  });

  describe("what is not the payment's fault", () => {
    const outage = (kind: JournalErrorKind) => new JournalError(kind, "The journal is away.");
    const soon = (["busy", "unavailable", "indeterminate"] as const).map((kind) => [outage(kind), 503, "2"] as const);
    const later = (["full", "read-only", "corrupt", "closed"] as const).map(
      (kind) => [outage(kind), 503, "30"] as const,
    );
    const troubles: readonly (readonly [error: Error, status: number, retryAfter: string | null])[] = [
      [new EngineBusyError("Too many wait."), 503, "5"],
      [new EngineClosedError("It is closed."), 503, "5"],
      [new ChainUnavailableError("No node answers."), 503, "2"],
      [new CallerGoneError("gone"), 503, "2"],
      [new QuotaError("used up", 77), 429, "77"],
      [new ClaimConflictError("another payment's"), 409, null],
      [new MalformedHeaderError("Idempotency-Key: is malformed"), 400, null],
      ...soon,
      ...later,
      [new JournalError("invalid", "It contradicts the journal."), 500, "2"],
      [new Error("a secret"), 500, "2"],
    ];
    for (const [error, status, retryAfter] of troubles) {
      const kind = error instanceof JournalError ? ` (${error.kind})` : "";
      it(`is ${status} with Retry-After ${retryAfter} after ${error.name}${kind}`, async () => {
        answer = () => Promise.reject(error);
        const response = await ask(open().app, "/settle");
        expect(response.status).to.equal(status);
        expect(response.headers.get("retry-after")).to.equal(retryAfter);
        expect(response.body).to.include({
          success: false,
          transaction: "",
          network: CAIP2,
          payer: payerOf(1).address,
        });
        expect(response.body.errorReason).to.equal(
          status === 400 || status === 409 ? "invalid_payload" : "unexpected_settle_error",
        );
        expect(JSON.stringify(response.body)).not.to.include("a secret");
        expect(refused).to.deep.equal([`settle ${status}`]);
        expect(left).to.deep.equal(["answered"]);
      });
    }

    it("has its own words on /verify", async () => {
      verdict = () => Promise.reject(new ChainUnavailableError("No node answers."));
      const response = await ask(open().app, "/verify");
      expect(response.status).to.equal(503);
      expect(response.body).to.include({ isValid: false, invalidReason: "unexpected_verify_error" });
    });

    it("keeps /verify from calling payments good while the journal takes nothing", async () => {
      fault = outage("full");
      expect((await ask(open().app, "/verify")).status).to.equal(503);
    });

    it("is found before anything is settled if the payer's id belongs to another payment", async () => {
      identified = new ClaimConflictError("this payment identifier belongs to another payment");
      answer = () => Promise.reject(new Error("it was settled"));
      for (const path of ["/settle", "/verify"]) expect((await ask(open().app, path)).status).to.equal(409);
    });
  });

  describe("more than can be answered in time", () => {
    it("is refused unread, with 503, Retry-After and one line of the log", async () => {
      const { app } = open();
      full = { delayMs: 12_345, retryAfterSeconds: 7, isFirst: true };
      const response = await ask(app, "/settle", "not even JSON");
      expect(response.status).to.equal(503);
      expect(response.headers.get("retry-after")).to.equal("7");
      expect(response.body).to.include({ success: false, errorReason: "unexpected_settle_error" });
      const lines = logged.length;
      full = { ...full, isFirst: false };
      await ask(app, "/settle");
      expect(logged).to.have.length(lines);
      expect(shed).to.deep.equal(["settle", "settle"]);
      expect(left).to.deep.equal([]);
    });
  });

  describe("who may not ask", () => {
    it("is told why, and what to send", async () => {
      caller = { status: 401, reason: "unexpected_settle_error", message: "no such key" };
      const unknown = await ask(open().app, "/settle");
      expect(unknown.status).to.equal(401);
      expect(unknown.headers.get("www-authenticate")).to.equal("Bearer");
      caller = { status: 429, reason: "unexpected_settle_error", message: "slower", retryAfterSeconds: 3 };
      const fast = await ask(open().app, "/settle");
      expect([fast.status, fast.headers.get("retry-after")]).to.deep.equal([429, "3"]);
    });

    it("is a page of another origin, unless the operator allows it", async () => {
      const headers = { origin: "https://shop.example" };
      expect((await ask(open().app, "/settle", body, { headers })).status).to.equal(403);
      const { app } = open({ allowedOrigins: ["https://shop.example"] });
      expect((await ask(app, "/settle", body, { headers })).status).to.equal(200);
      expect(knocks).to.have.length(1);
    });
  });

  describe("bad input", () => {
    const of = (change: object) => ({ ...body, paymentPayload: { ...body.paymentPayload, ...change } });
    const cases: readonly (readonly [what: string, body: () => unknown, status: number, reason: string])[] = [
      ["no JSON", () => "{", 400, "invalid_payload"],
      ["JSON that is nested too deeply", () => "[".repeat(100), 400, "invalid_payload"],
      ["an empty body", () => "", 400, "invalid_payload"],
      ["no object", () => "7", 400, "invalid_payload"],
      ["another version", () => of({ x402Version: 3 }), 400, "invalid_x402_version"],
      ["a payload without a signature", () => of({ payload: {} }), 400, "invalid_payload"],
      [
        "an invalid id",
        () => of({ extensions: { "payment-identifier": { info: { id: 7 } } } }),
        400,
        "invalid_payload",
      ],
      ["more than a megabyte", () => `"${"x".repeat(1_048_576)}"`, 413, "invalid_payload"],
      [
        "another scheme",
        () => ({ ...body, paymentRequirements: { ...body.paymentRequirements, scheme: "upto" } }),
        200,
        "unsupported_scheme",
      ],
      [
        "another network",
        () => ({ ...body, paymentRequirements: { ...body.paymentRequirements, network: "eip155:1" } }),
        200,
        "invalid_network",
      ],
    ];
    for (const [what, given, status, reason] of cases) {
      it(`is ${status} for ${what}, without asking anybody`, async () => {
        answer = () => Promise.reject(new Error("it was settled"));
        const response = await ask(open().app, "/settle", given());
        expect(response.status).to.equal(status);
        expect(response.body).to.include({ success: false, errorReason: reason });
        expect(refused).to.deep.equal([`settle ${status}`]);
      });
    }

    it("is 415 if it is not declared as JSON, before anything else is checked", async () => {
      for (const type of ["text/plain", "application/jsonx", ""]) {
        const response = await ask(open().app, "/settle", body, { headers: { "content-type": type } });
        expect(response.status).to.equal(415);
      }
      expect(knocks).to.deep.equal([]);
    });
  });

  it("notes that a caller left, and does not measure that request", async () => {
    const away = new AbortController();
    let isAsked = false;
    answer = () => {
      isAsked = true;
      return new Promise((_, reject) =>
        contexts[0]?.signal?.addEventListener("abort", () => reject(new Error("aborted"))),
      );
    };
    const { app, idle } = open();
    const response = ask(app, "/settle", body, { signal: away.signal }).catch(() => undefined);
    await until(() => isAsked, "it is being settled");
    away.abort();
    await Promise.all([response, idle()]);
    expect(left).to.deep.equal(["left"]);
    expect(refused).to.deep.equal(["settle 503"]);
  });

  it("is idle when every payment is answered, and not before", async () => {
    const waiting: ((response: SettleResponse) => void)[] = [];
    answer = () => new Promise((resolve) => void waiting.push(resolve));
    const { app, idle } = open();
    await idle();
    const [first, second] = [ask(app, "/settle"), ask(app, "/settle")];
    await until(() => waiting.length === 2, "both are being settled");
    let idlers = 0;
    const both = [idle(), idle()].map((one) =>
      one.then(() => {
        idlers += 1;
      }),
    );
    waiting[0]?.(settled);
    await Promise.race([first, second]);
    expect(idlers).to.equal(0);
    waiting[1]?.(settled);
    await Promise.all([...both, first, second]);
    expect(idlers).to.equal(2);
  });

  it("completes requirements, and says what was wrong with them", async () => {
    expect((await ask(open().app, "/accepts", {})).body).to.deep.equal({ accepts: [] });
    const { app } = open({ accepts: async () => ({ status: 400, body: { error: "no accepts" } }) });
    const bad = await ask(app, "/accepts", {});
    expect([bad.status, bad.body]).to.deep.equal([400, { error: "no accepts" }]);
    expect(refused).to.deep.equal(["accepts 400"]);
  });

  it("describes an endpoint on GET, and has nothing anywhere else", async () => {
    const { app } = open();
    for (const endpoint of ["/verify", "/settle", "/accepts"]) {
      expect(await (await app.request(endpoint)).json()).to.have.property("endpoint", endpoint);
    }
    expect((await app.request("/nowhere")).status).to.equal(404);
  });
});
