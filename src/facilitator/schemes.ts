import type { SchemeNetworkFacilitator } from "@x402/core/types";
import type { LocalAccount } from "viem";
import type { ChainClient } from "../chain/client.ts";
import { readRouterCode } from "../chain/facts/routerCode.ts";
import type { Journal } from "../journal/ports/journal.ts";
import type { Logger } from "../logger.ts";
import type { SettlementEngine } from "../settlement/engine/engine.ts";
import type { EnginePolicyOptions } from "../settlement/policy.ts";
import type { FacilitatorPolicy } from "./admission/policy.ts";
import { createExactScheme } from "./exact/exact.ts";
import { startExact } from "./exact/start.ts";
import { verifyFunded } from "./exact/verify.ts";
import type { ExactRequest } from "./wire/body.ts";

export type SharedExactSchemes = {
  readonly v2: SchemeNetworkFacilitator;
  readonly v1: SchemeNetworkFacilitator;
  readonly engine: SettlementEngine;
  /** Answers waiting callers, and releases the keys. */
  readonly close: () => Promise<void>;
};

/**
 * The scheme `exact` alone, for a facilitator that you already run. Use it in place of the official `ExactEvmScheme`, and
 * concurrent settlements share transactions.
 * @throws SenderHeldError if another engine sends from one of the keys.
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
  const batches = (await readRouterCode(client)).status === "matches";
  const { port, token, settle, answerAll } = await startExact(client, { ...options, batches });
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
