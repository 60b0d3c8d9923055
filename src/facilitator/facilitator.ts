import { x402Facilitator } from "@x402/core/facilitator";
import type { Network, PaymentPayload } from "@x402/core/types";
import type { Hono } from "hono";
import type { LocalAccount } from "viem";
import { readBlockTime } from "../chain/blockTime.ts";
import type { ChainClient } from "../chain/client.ts";
import { isDevelopmentChain } from "../chain/development.ts";
import { hasChannels } from "../chain/facts/channels.ts";
import { readRouterCode } from "../chain/facts/routerCode.ts";
import { systemClock } from "../clock.ts";
import { type AddressSet, createAddressSet } from "../http/addresses.ts";
import { silentLogger } from "../logger.ts";
import { networkOf } from "../networks.ts";
import type { SettlementEngine } from "../settlement/engine/types.ts";
import { createAccepts } from "./accepts/answer.ts";
import { createCapacity } from "./admission/capacity.ts";
import { createDoor } from "./admission/door.ts";
import { assumeRate } from "./admission/machine.ts";
import type { RateLimit } from "./callers/limit.ts";
import { type Merchant, withoutTwins } from "./callers/merchants.ts";
import { createCatalogue } from "./catalogue/catalogue.ts";
import { channelScheme } from "./channels/scheme.ts";
import { createExactScheme, type ExactContext } from "./exact/exact.ts";
import { type SharedExactOptions, startExact } from "./exact/start.ts";
import { verifyFunded } from "./exact/verify.ts";
import { aside } from "./health/aside.ts";
import { defaultHeadAge } from "./health/head.ts";
import { createMetrics } from "./health/metrics.ts";
import { createReadiness } from "./health/readiness.ts";
import { findWarnings } from "./health/warnings.ts";
import { createApp } from "./http/app.ts";
import { createStatusUrl } from "./wire/statusUrl.ts";

/** What a facilitator works with, and whom it serves. It closes none of it. */
export type FacilitatorOptions = SharedExactOptions & {
  /**
   * The scheme batch-settlement, served on chains that have x402's channel contracts; false to leave it out. With an
   * `authority`, merchants may let its key sign claims and refunds for the channels of their `receivers`. There is none by
   * default.
   */
  readonly channels?: false | { readonly authority?: LocalAccount | undefined };
  /** How many requests one address may make; undefined for no bound. A merchant has a bound of its own. */
  readonly rateLimit?: RateLimit | undefined;
  /**
   * Reverse proxies, as IP addresses and networks (`10.0.0.0/8`). A request from one of them counts as that of the caller
   * named in X-Forwarded-For. By default there are none, and the header is ignored.
   */
  readonly trustedProxies?: readonly string[] | undefined;
  /**
   * Origins whose pages may ask /supported, /discovery, /health, /verify and /settle (CORS), such as `https://shop.example`, or
   * "*". By default only its own.
   */
  readonly allowedOrigins?: readonly string[] | undefined;
  /**
   * The address that others reach this facilitator by, such as `https://pay.example.com`. With it, receipts give the whole URL
   * of a payment's status; without it, only the path.
   */
  readonly publicUrl?: string | undefined;
  /** Callers who have an API key. */
  readonly merchants?: readonly Merchant[] | undefined;
  /** Whether /verify, /settle and /accepts answer merchants only. */
  readonly merchantsOnly?: boolean | undefined;
  /**
   * How old, in seconds, the chain's newest block may be while the facilitator still calls itself ready; Infinity for any age. By
   * default the time of eight blocks (15 to 120 s), and any age on a development chain that makes blocks only for transactions.
   */
  readonly maxHeadAgeSeconds?: number | undefined;
};

/** A running facilitator. */
export type Facilitator = {
  /** The HTTP interface: `app.fetch(request)` answers, with or without a socket. */
  readonly app: Hono;
  /** The official dispatcher with this facilitator's schemes in it. */
  readonly x402: x402Facilitator;
  /** The engine that sends. Other calls may go through it, see `createEngineSigner`. */
  readonly engine: SettlementEngine;
  /** Whether the chain has a router. Without one, payments settle one by one. */
  readonly batches: boolean;
  /** Whether an address is one of `trustedProxies`. */
  readonly isTrustedProxy: AddressSet;
  /** What an operator should know at the start: keys without ether, a node that is behind, clocks that differ. */
  readonly warnings: readonly string[];
  /**
   * Stops. Intake ends at once, and waiting callers get up to `graceMs` for their payments. After that, payments that were not
   * sent are taken back, and those that were sent are answered as pending. The journal stays open.
   */
  readonly close: (options?: { readonly graceMs?: number }) => Promise<void>;
};

/**
 * Starts a facilitator on one chain. It continues with the open payments of the journal, and serves x402 v2 and, if v1 has a name
 * for the chain, v1.
 * @throws SenderHeldError if another engine sends from one of the keys; JournalError if the journal cannot be used or is of another
 * chain; ChainUnavailableError if the node does not answer; EnginePolicyError or PlanLimitsError if `engine` is out of its range;
 * MerchantsError if two merchants share an id or a key; AddressRangeError if a trusted proxy is not an address;
 * PublicUrlError if `publicUrl` is not a plain URL.
 */
export async function createFacilitator(client: ChainClient, options: FacilitatorOptions): Promise<Facilitator> {
  const { journal, senders } = options;
  const clock = options.clock ?? systemClock;
  const logger = options.logger ?? silentLogger;
  const chainId = client.chain.id;
  const statusUrl = createStatusUrl(chainId, options.publicUrl);
  const isTrustedProxy = createAddressSet(options.trustedProxies ?? []);
  const merchants = withoutTwins(options.merchants ?? []);
  // Everything that may fail comes before the engine takes the keys.
  const batches = (await readRouterCode(client)).status === "matches";
  const maxHeadAgeSeconds = options.maxHeadAgeSeconds ?? (await defaultHeadAge(client));
  const addresses = senders.map(({ address }) => address);
  const preconfirms = [options.policy, ...merchants].some((one) => one?.level === "preconfirmed");
  const warnings = await findWarnings({ client, addresses, batches, clock, maxHeadAgeSeconds, preconfirms });
  for (const warning of warnings) logger.warn(warning);
  const [rpcUrl] = client.chain.rpcUrls.default.http;
  const loopback = rpcUrl !== undefined && (await isDevelopmentChain(client, rpcUrl));
  const blockMs = await readBlockTime(client);
  const withChannels = options.channels !== false && (await hasChannels(client));
  const exact = await startExact(client, { ...options, clock, logger, batches, preconfirms });

  const { port } = exact;
  const { engine, policy, admission } = port;
  const contexts = new WeakMap<PaymentPayload, ExactContext>();
  const contextOf = (payload: PaymentPayload): ExactContext | undefined => contexts.get(payload);
  const capacity = createCapacity({
    clock,
    admitWithinMs: policy.admitWithinMs,
    assumedPerSecond: policy.assumedPerSecond ?? (await assumeRate()),
    blockMs,
  });
  const metrics = createMetrics({ engine, journal, client, clock, load: capacity.view });
  const catalogue = createCatalogue({ journal, clock, logger, minimum: policy.listFrom, loopback });
  const timed = <T>(startedMs: number, tell: (seconds: number) => void, value: T): T => {
    void aside(logger, "measuring", () => tell((clock.now() - startedMs) / 1000));
    return value;
  };
  const scheme = (version: 1 | 2) =>
    createExactScheme(version, {
      ...{ addresses: port.addresses, token: exact.token, statusUrl, contextOf },
      verify: async (request, caller) => {
        const startedMs = clock.now();
        const verdict = await verifyFunded(port, request, caller);
        return timed(startedMs, (seconds) => metrics.verified(version, verdict, seconds), verdict);
      },
      settle: async (request, settleOptions) => {
        const startedMs = clock.now();
        const settlement = await exact.settle(request, settleOptions);
        return timed(startedMs, (seconds) => metrics.settled(version, settlement, seconds), settlement);
      },
    });
  const x402 = new x402Facilitator().register(`eip155:${chainId}`, scheme(2));
  const v1Name = networkOf(chainId)?.v1Name;
  if (v1Name !== undefined) x402.registerV1(v1Name as Network, scheme(1));
  const receivers = merchants.flatMap((one) => one.receivers);
  if (withChannels) {
    const { authority } = options.channels || {};
    const channels = channelScheme({ ...port, authority, receivers, contextOf });
    x402.register(`eip155:${chainId}`, metrics.channels.measured(channels, clock));
  }
  x402.registerExtension({ key: "bazaar" }).registerExtension({ key: "payment-identifier" });

  let closing = false;
  const enter = createDoor({
    clock,
    merchants,
    merchantsOnly: options.merchantsOnly ?? false,
    rateLimit: options.rateLimit,
    isClosing: () => closing,
  });
  const isClosing = (): boolean => closing;
  const readiness = createReadiness({ journal, client, engine, clock, maxHeadAgeSeconds, isClosing });
  const { app, idle } = createApp({
    x402,
    journal,
    client,
    clock,
    logger,
    metrics,
    catalogue,
    batches,
    enter,
    isTrustedProxy,
    allowedOrigins: (options.allowedOrigins ?? []).map((origin) => origin.toLowerCase()),
    admission,
    accepts: createAccepts({ x402, chainId, tokens: exact.tokens, admission, policy, receivers }),
    capacity,
    load: capacity.view,
    readiness,
    noteContext: (payload, context) => void contexts.set(payload, context),
  });

  let closed: Promise<void> | undefined;
  const close = async (graceMs: number): Promise<void> => {
    closing = true;
    const within = async (ms: number): Promise<void> => {
      const answered = new AbortController();
      await Promise.race([idle(), clock.sleep(ms, answered.signal)]);
      answered.abort();
    };
    await within(graceMs);
    exact.answerAll();
    // Callers who still wait are answered from the journal, which does not need the engine.
    await within(5_000);
    await engine.close();
  };
  return {
    app,
    x402,
    engine,
    batches,
    isTrustedProxy,
    warnings,
    close: ({ graceMs = 15_000 } = {}) => {
      closed ??= close(graceMs);
      return closed;
    },
  };
}
