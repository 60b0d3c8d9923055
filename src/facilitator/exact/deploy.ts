import { type Address, type Hex, keccak256 } from "viem";
import type { Erc6492Wrapper } from "../../authorization/signature.ts";
import type { SignedAuthorization } from "../../authorization/types.ts";
import type { ChainClient } from "../../chain/client.ts";
import { hasCode } from "../../chain/facts/facts.ts";
import { readWorth } from "../../chain/fees/worth.ts";
import type { Clock } from "../../clock.ts";
import { alarm } from "../../clock.ts";
import { budgetGas } from "../../gas/budget.ts";
import type { Logger } from "../../logger.ts";
import type { SettlementEngine } from "../../settlement/engine/types.ts";
import type { FacilitatorPolicy } from "../admission/policy.ts";

export type DeployPort = {
  readonly client: ChainClient;
  readonly engine: Pick<SettlementEngine, "submitCall">;
  readonly clock: Clock;
  readonly policy: Pick<FacilitatorPolicy, "etherMicroUsd" | "gasFloor" | "maxDeploymentGas">;
  /** The sending keys. */
  readonly addresses: () => readonly Address[];
  readonly logger: Logger;
};

/**
 * Deploys the wallet of a payer with an ERC-6492 signature. Its factory is on the operator's list, and deployment and transfer
 * together have passed a simulation. The gas is bounded, and if ether has a price, the payment's worth bounds it too.
 * @returns Whether the wallet has code now.
 */
export async function deployWallet(
  { client, engine, clock, policy, addresses, logger }: DeployPort,
  signed: SignedAuthorization,
  { factory, factoryData }: Erc6492Wrapper,
  withinMs: number,
): Promise<boolean> {
  const [account] = addresses();
  if (account === undefined) return false;
  const estimate = await client.estimateGas({ account, to: factory, data: factoryData }).catch(() => undefined);
  if (estimate === undefined) return false;
  const gas = (estimate * 12n) / 10n;
  const { etherMicroUsd, gasFloor: floorGas, maxDeploymentGas: modelGas } = policy;
  const moved = { microUsd: signed.value, etherMicroUsd };
  const worth = await readWorth(client, { to: factory, data: factoryData, gas }, moved);
  if (gas > budgetGas({ modelGas, walletChecks: 0, worth, floorGas }).gas) {
    logger.warn("deploying a payer's wallet would take too much gas", { payer: signed.from, factory, gas });
    return false;
  }
  const key = `deploy:${signed.from}:${keccak256(factoryData)}:${signed.nonce}`.toLowerCase();
  const call = { key, to: factory, data: factoryData satisfies Hex, gas, deadlineSeconds: signed.validBefore };
  const timeout = alarm(clock, withinMs);
  const admission = await engine
    .submitCall(call, { signal: timeout.signal })
    .catch(() => undefined)
    .finally(timeout.clear);
  logger.info("deployed a payer's wallet", { payer: signed.from, factory, admitted: admission?.status });
  return hasCode(client, signed.from);
}
