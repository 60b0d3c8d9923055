import { USDC_ADDRESS } from "../../src/local/genesis.ts";
import type { Anvil } from "../helpers/anvil.ts";
import type { Trial } from "./oracle.ts";
import type { AdmissionSeen, Assignment } from "./protocol.ts";
import type { Scenario } from "./scenario.ts";
import { fundWorld, openWorld, sender, senderKey } from "./world.ts";

/** The state to which a node goes back before each run. */
export type Ground = { readonly anvil: Anvil; snapshot: unknown };

/** What a run starts from, for the oracle. */
export type Opening = Pick<Trial, "fromBlock" | "balances">;

/** Takes a node back to where it began and prepares it for a scenario. */
export async function openGround(ground: Ground, scenario: Scenario): Promise<Opening> {
  const { anvil } = ground;
  await anvil.request("evm_revert", [ground.snapshot]);
  await anvil.request("anvil_dropAllTransactions");
  ground.snapshot = await anvil.request("evm_snapshot");
  const fromBlock = Number(await anvil.request("eth_blockNumber")) + 1;
  await fundWorld(anvil.rpcUrl, scenario);
  const balances = await balancesOf(anvil, scenario);
  await openWorld(anvil.rpcUrl, scenario);
  return { fromBlock, balances };
}

/** A finished run, for the oracle. */
export function trialOf(
  scenario: Scenario,
  opening: Opening,
  run: Pick<Trial, "rpcUrl" | "journal" | "foreign" | "sent" | "receipts"> & {
    readonly admissions: readonly AdmissionSeen[];
  },
): Trial {
  const { admissions, ...rest } = run;
  return {
    ...rest,
    ...opening,
    token: USDC_ADDRESS,
    sender,
    mayReorg: scenario.themes.has("reorg"),
    submissions: admissions.flatMap(({ index, status, reason }) => {
      const fed = scenario.feed[index];
      if (fed === undefined) return [];
      const { chainId, token, from, to, value, nonce } = fed.authorization;
      const identity = `${chainId}:${token}:${from}:${nonce}`.toLowerCase();
      const terms = { from: from.toLowerCase(), to: to.toLowerCase(), value, nonce: nonce.toLowerCase() };
      return [{ identity, terms, odd: fed.oddity, status, reason }];
    }),
  };
}

/** The parts of a scenario that concern the engine. */
export function assignmentOf({ feed, calls, retryRefused, maxItems, themes }: Scenario): Assignment {
  return { feed, calls, retryRefused, maxItems, senderKey, isPreconfirmed: themes.has("taken-back") };
}

async function balancesOf(anvil: Anvil, { feed, calls, balances, payees }: Scenario): Promise<Map<string, bigint>> {
  const owners = new Set([...balances.keys(), ...payees, ...calls.map(({ to }) => to), sender]);
  for (const { authorization } of feed) owners.add(authorization.to);
  const found = new Map<string, bigint>();
  for (const owner of owners) {
    const data = `0x70a08231${owner.slice(2).toLowerCase().padStart(64, "0")}`;
    found.set(owner, BigInt(String(await anvil.request("eth_call", [{ to: USDC_ADDRESS, data }, "latest"]))));
  }
  return found;
}
