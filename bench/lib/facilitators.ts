import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { privateKeyToAddress } from "viem/accounts";
import { z } from "zod";
import { type Measured, startMeasured } from "./processes.ts";
import type { RemoteChain } from "./remoteChain.ts";

/** The facilitators that are compared, as they are called in every table. */
export const FACILITATORS = ["official", "official, nonceManager", "Tributary"] as const;
export type FacilitatorKind = (typeof FACILITATORS)[number];

export type RunningFacilitator = Measured & {
  readonly kind: FacilitatorKind;
  readonly url: string;
  /** The account that sends its transactions. */
  readonly sender: string;
};

const said = z.object({ url: z.string(), sender: z.string() });
let started = 0;

/**
 * Starts a facilitator in its own process with its own key; Tributary as its command, with a journal on disk.
 * @param options Further options of Tributary.
 */
export async function startFacilitator(
  chain: RemoteChain,
  kind: FacilitatorKind,
  options: readonly string[] = [],
): Promise<RunningFacilitator> {
  // The first twenty are for payers and for the chain's own use.
  const account = chain.accounts[20 + (started % (chain.accounts.length - 20))]!;
  started += 1;
  const env = { PRIVATE_KEY: account.privateKey };
  if (kind !== "Tributary") {
    const choice = kind === "official" ? [] : ["nonce-manager"];
    const measured = startMeasured("bench/processes/official.ts", [chain.rpcUrl, ...choice], env);
    return { ...measured, kind, url: await measured.firstLine(), sender: privateKeyToAddress(account.privateKey) };
  }
  const journal = join(tmpdir(), `tributary-bench-${process.pid}-${started}.db`);
  const args = ["facilitator", "--port", "0", "--json", "--rpc-url", chain.rpcUrl, "--log-level", "error"];
  const command = [...args, "--grace", "0", ...options];
  const measured = startMeasured("scripts/tributary.ts", command, { ...env, DATABASE_URL: journal });
  const { url, sender } = said.parse(JSON.parse(await measured.firstLine()));
  return {
    ...measured,
    kind,
    url,
    sender,
    stop: async () => {
      await measured.stop();
      for (const suffix of ["", "-wal", "-shm"]) rmSync(journal + suffix, { force: true });
    },
  };
}
