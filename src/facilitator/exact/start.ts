import type { LocalAccount } from "viem";
import type { ChainClient } from "../../chain/client.ts";
import { type Clock, systemClock } from "../../clock.ts";
import type { Journal } from "../../journal/ports/journal.ts";
import { type Logger, silentLogger } from "../../logger.ts";
import { startEngine } from "../../settlement/engine/start.ts";
import type { SettlementEngine } from "../../settlement/engine/types.ts";
import type { Pace } from "../../settlement/pace.ts";
import type { EnginePolicyOptions } from "../../settlement/policy.ts";
import { createAdmission } from "../admission/admission.ts";
import {
  FACILITATOR_ENGINE,
  FACILITATOR_PACE,
  type FacilitatorPolicy,
  resolveFacilitatorPolicy,
} from "../admission/policy.ts";
import { createTokens, type Tokens, type TokenTerms, usualTerms } from "../node/tokens.ts";
import { createSignatureChecks } from "./checks.ts";
import { createSettler, type SettlePort, type Settler } from "./settle.ts";

/** What the scheme `exact` works with. It closes none of it. */
export type SharedExactOptions = {
  /** Further nodes. Signed transactions are sent to them too, and they are asked if a node contradicts itself. */
  readonly nodes?: readonly ChainClient[] | undefined;
  /**
   * A node that announces new blocks by `eth_subscribe` (`ws:` or `wss:`). Without one, the client is asked when a
   * block is due.
   */
  readonly webSocketUrl?: string | undefined;
  /** Where payments are kept. */
  readonly journal: Journal;
  /** The keys to send from. While this process runs, nobody else may send from them. */
  readonly senders: readonly LocalAccount[];
  /** Whom and what to serve. By default the only asset is the USDC of a known network. */
  readonly policy?: Partial<FacilitatorPolicy> | undefined;
  /** How payments are sent, and what one payer may have open. */
  readonly engine?: EnginePolicyOptions | undefined;
  /** @internal For tests, which cannot wait. */
  readonly pace?: Partial<Pace> | undefined;
  readonly clock?: Clock | undefined;
  readonly logger?: Logger | undefined;
};

export type ExactOptions = SharedExactOptions & {
  /** Whether the chain has a router. */
  readonly batches: boolean;
  /** Whether somebody may be told a success on a preconfirmation. */
  readonly preconfirms: boolean;
};

/** What serves the scheme exact. */
export type StartedExact = {
  readonly port: SettlePort & { readonly engine: SettlementEngine; readonly journal: Journal };
  readonly tokens: Tokens;
  readonly token: TokenTerms | undefined;
  readonly settle: Settler;
  /** Answers waiting callers with what the journal says. */
  readonly answerAll: () => void;
};

/** Starts an engine, and builds what verifies, admits and settles payments of the scheme exact with it. */
export async function startExact(client: ChainClient, options: ExactOptions): Promise<StartedExact> {
  const { nodes = [], webSocketUrl, journal, senders, batches, preconfirms } = options;
  const { clock = systemClock, logger = silentLogger } = options;
  const policy = resolveFacilitatorPolicy(client.chain.id, options.policy);
  const tokens = createTokens(client, policy.assets);
  const token = await usualTerms(tokens);
  const engine = await startEngine(client, {
    ...{ journal, nodes, webSocketUrl, senders, clock, logger },
    policy: { ...FACILITATOR_ENGINE, preconfirmations: preconfirms, ...options.engine },
    pace: { ...FACILITATOR_PACE, ...options.pace },
    onHeld: ({ waitMs, lease: { sender, owner, place } }) => {
      logger.warn("a key is leased to another process: watching whether it is alive", {
        ...{ sender, owner, waitMs },
        ...place,
      });
    },
  });
  const addresses = () => senders.map(({ address }) => address);
  const checks = createSignatureChecks(clock, client.chain.id);
  const admission = createAdmission({ journal, clock, client, policy, batches });
  const stop = new AbortController();
  const stopping = stop.signal;
  const port = { client, journal, engine, policy, clock, logger, addresses, checks, admission, stopping };
  return {
    port,
    tokens,
    token,
    settle: createSettler(port),
    answerAll: () => stop.abort(),
  };
}
