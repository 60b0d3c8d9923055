import type { SchemeNetworkFacilitator } from "@x402/core/types";
import type { LocalAccount } from "viem";
import type { ChainClient } from "../chain/client.ts";
import { readRouterCode } from "../chain/facts/routerCode.ts";
import { systemClock } from "../clock.ts";
import type { Journal } from "../journal/ports/journal.ts";
import { type Logger, silentLogger } from "../logger.ts";
import type { SettlementEngine } from "../settlement/engine/engine.ts";
import { startEngine } from "../settlement/engine/start.ts";
import type { EnginePolicyOptions } from "../settlement/policy.ts";
import { createAdmission } from "./admission/admission.ts";
import { FACILITATOR_ENGINE, type FacilitatorPolicy, resolveFacilitatorPolicy } from "./admission/policy.ts";
import { createSignatureChecks } from "./exact/checks.ts";
import { createExactScheme } from "./exact/exact.ts";
import { createSettler } from "./exact/settle.ts";
import { verifyFunded } from "./exact/verify.ts";
import { createTokens, usualTerms } from "./node/tokens.ts";

export type SharedExactSchemes = {
  readonly v2: SchemeNetworkFacilitator;
  readonly v1: SchemeNetworkFacilitator;
  readonly engine: SettlementEngine;
  /** Answers who waits, and lets go of the keys. */
  readonly close: () => Promise<void>;
};

/**
 * Only the scheme, for a facilitator that somebody runs already: put it in the place of the official `ExactEvmScheme`, and
 * concurrent settlements share transactions.
 * @throws SenderHeldError where another engine sends from a key.
 */
export async function createSharedExactSchemes(
  client: ChainClient,
  options: {
    readonly journal: Journal;
    readonly senders: readonly LocalAccount[];
    readonly policy?: Partial<FacilitatorPolicy>;
    readonly engine?: EnginePolicyOptions;
    readonly logger?: Logger;
  },
): Promise<SharedExactSchemes> {
  const { journal, senders, logger = silentLogger } = options;
  const policy = resolveFacilitatorPolicy(client.chain.id, options.policy);
  const token = await usualTerms(createTokens(client, policy.assets));
  const batches = (await readRouterCode(client)).status === "matches";
  const engine = await startEngine(client, {
    journal,
    senders,
    policy: { ...FACILITATOR_ENGINE, ...options.engine },
    logger,
  });
  const stopping = new AbortController();
  const addresses = () => senders.map(({ address }) => address);
  const checks = createSignatureChecks(systemClock, client.chain.id);
  const stop = { stopping: stopping.signal };
  const admission = createAdmission({ journal, clock: systemClock, client, policy, batches });
  const port = { client, journal, engine, policy, clock: systemClock, logger, addresses, checks, admission, ...stop };
  const settle = createSettler(port);
  const parts = {
    addresses,
    token,
    settle,
    verify: (request: Parameters<typeof settle>[0]) => verifyFunded(port, request),
  };
  return {
    v2: createExactScheme(2, parts),
    v1: createExactScheme(1, parts),
    engine,
    close: async () => {
      stopping.abort();
      await engine.close();
    },
  };
}
