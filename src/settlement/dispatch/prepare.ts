import { type Address, getAddress } from "viem";
import { eachAtOnce } from "../../async/pool.ts";
import type { SignedAuthorization } from "../../authorization/types.ts";
import { type Plan, type PlanLimits, type PlannablePayment, planBatches, tokenKey } from "../../batch/index.ts";
import { ask } from "../../chain/ask.ts";
import type { ChainClient } from "../../chain/client.ts";
import { ChainMismatchError } from "../../chain/errors.ts";
import { type Head, hasCode, readFacts, readHead } from "../../chain/facts/facts.ts";
import { fiatProxyArtifact } from "../../contracts/FiatProxy.ts";
import { ROUTER_ADDRESS } from "../../deployment.ts";
import { CIRCLE_USDC_GAS, type GasModel, MOCK_USDC_GAS, ROUTER_GAS } from "../../gas/index.ts";
import { groupBy } from "../../lists.ts";

/** Tokens whose facts are read at the same time. */
const TOKENS_AT_ONCE = 4;

/** What a job may decide about its plan. */
export type SettlementPolicy = {
  readonly limits?: Partial<PlanLimits>;
  /** The router to use; the deployed one by default. Without code there, payments go to the token one by one. */
  readonly router?: Address;
};

/** Everything that the payments' batches depend on, read at one time. */
export type PreparedSettlement = {
  readonly plan: Plan;
  /** Undefined if this chain has none. */
  readonly router: Address | undefined;
  readonly head: Head;
  /** Plans some of the same payments anew, with the same facts; `oneByOne` as if there were no router. */
  readonly replan: (payments: readonly SignedAuthorization[], oneByOne?: boolean) => Plan;
  /** The payment that was given, for one that a plan names. */
  readonly original: (planned: SignedAuthorization) => SignedAuthorization;
};

/**
 * Reads what the chain says about these payments (all of the client's chain) and plans their batches. Sends nothing.
 * @param sender Who will send the transactions.
 * @throws ChainUnavailableError if the node does not answer, PlanLimitsError if a limit is out of its range.
 */
export async function prepareSettlement(
  client: ChainClient,
  payments: readonly SignedAuthorization[],
  policy: SettlementPolicy & {
    readonly sender?: Address;
    readonly nowSeconds: bigint;
    /** Payers to leave out, in lower case. */
    readonly heldPayers?: ReadonlySet<string>;
  },
): Promise<PreparedSettlement> {
  const wanted = policy.router ?? ROUTER_ADDRESS;
  const balances = new Map<string, ReadonlyMap<string, bigint>>();
  const used = new Set<string>();
  const withCode = new Set<string>();
  const missingTokens = new Set<string>();
  const tokens = [...groupBy(payments, ({ token }) => getAddress(token))];
  const reads = new Map<Address, Awaited<ReturnType<typeof readToken>>>();
  // Asked together, because payments wait for the answers.
  const [isDeployed, latest] = await Promise.all([
    hasCode(client, wanted),
    readHead(client),
    eachAtOnce(tokens, TOKENS_AT_ONCE, async ([token, group]) => {
      reads.set(token, await readToken(client, token, group));
    }),
  ]);
  const router = isDeployed ? wanted : undefined;
  let head: Head = latest;
  let gasModel: GasModel = { token: CIRCLE_USDC_GAS, router: ROUTER_GAS };
  for (const [token] of tokens) {
    const read = reads.get(token);
    if (read === undefined) {
      missingTokens.add(tokenKey(client.chain.id, token));
      continue;
    }
    ({ gasModel } = read);
    ({ head } = read.facts);
    balances.set(tokenKey(client.chain.id, token), read.facts.balances);
    for (const id of read.facts.used) used.add(id);
    for (const account of read.facts.withCode) withCode.add(account);
  }

  const originals = new Map<SignedAuthorization, SignedAuthorization>();
  const plannable = new Map<SignedAuthorization, PlannablePayment>();
  for (const payment of payments) {
    const planned = { ...payment, payerHasCode: withCode.has(payment.from.toLowerCase()) };
    originals.set(planned, payment);
    plannable.set(payment, planned);
  }
  const nowSeconds = head.timestamp > policy.nowSeconds ? head.timestamp : policy.nowSeconds;
  const replan = (some: readonly SignedAuthorization[], oneByOne = false): Plan =>
    planBatches({
      payments: some.map((payment) => plannable.get(payment) ?? payment),
      nowSeconds,
      routerAvailable: router !== undefined && !oneByOne,
      gasModel,
      balances,
      usedAuthorizations: used,
      heldPayers: policy.heldPayers,
      missingTokens,
      sender: policy.sender,
      limits: { blockGasLimit: latest.gasLimit, ...policy.limits },
    });
  return { plan: replan(payments), router, head, replan, original: (planned) => originals.get(planned) ?? planned };
}

/** What is known of a token and the parties of its payments; undefined if there is no such token. */
async function readToken(client: ChainClient, token: Address, payments: readonly SignedAuthorization[]) {
  try {
    const [facts, gasModel] = await Promise.all([readFacts(client, token, payments), gasModelOf(client, token)]);
    return { facts, gasModel };
  } catch (error) {
    if (error instanceof ChainMismatchError) return undefined;
    throw error;
  }
}

/** MockUSDC's constants if the code is its proxy's, otherwise those of Circle's token. */
async function gasModelOf(client: ChainClient, token: Address): Promise<GasModel> {
  const code = await ask(`the code at ${token}`, client.getCode({ address: token }));
  const isMock = code?.toLowerCase() === fiatProxyArtifact.deployedBytecode.toLowerCase();
  return { token: isMock ? MOCK_USDC_GAS : CIRCLE_USDC_GAS, router: ROUTER_GAS };
}
