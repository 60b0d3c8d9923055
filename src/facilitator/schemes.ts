import type { SchemeNetworkFacilitator } from "@x402/core/types";
import type { ChainClient } from "../chain/client.ts";
import { readRouterCode } from "../chain/facts/routerCode.ts";
import type { SettlementEngine } from "../settlement/engine/types.ts";
import { createExactScheme } from "./exact/exact.ts";
import { type SharedExactOptions, startExact } from "./exact/start.ts";
import { verifyFunded } from "./exact/verify.ts";
import type { ExactRequest } from "./wire/body.ts";

/** The scheme `exact` for x402 v2 and v1, and the engine behind both. */
export type SharedExactSchemes = {
  /** For `register` of an `x402Facilitator`. */
  readonly v2: SchemeNetworkFacilitator;
  /** For its `registerV1`. */
  readonly v1: SchemeNetworkFacilitator;
  /** The engine that sends. Other calls may go through it, see `createEngineSigner`. */
  readonly engine: SettlementEngine;
  /** Answers waiting callers, and releases the keys. */
  readonly close: () => Promise<void>;
};

/**
 * The scheme `exact` alone, for a facilitator that you already run. Use it in place of the official `ExactEvmScheme`, and
 * concurrent settlements share transactions.
 * @throws SenderHeldError if another engine sends from one of the keys; JournalError if the journal cannot be used or is of another
 * chain; ChainUnavailableError if the node does not answer; EnginePolicyError or PlanLimitsError if `engine` is out of its range.
 */
export async function createSharedExactSchemes(
  client: ChainClient,
  options: SharedExactOptions,
): Promise<SharedExactSchemes> {
  const batches = (await readRouterCode(client)).status === "matches";
  const { port, token, settle, answerAll } = await startExact(client, {
    ...options,
    batches,
    preconfirms: options.policy?.level === "preconfirmed",
  });
  const { engine, addresses } = port;
  const parts = {
    ...{ addresses, token, settle },
    verify: (request: ExactRequest) => verifyFunded(port, request),
  };
  return {
    v2: createExactScheme(2, parts),
    v1: createExactScheme(1, parts),
    engine,
    close: async () => {
      answerAll();
      await engine.close();
    },
  };
}
