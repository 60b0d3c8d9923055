import type { ChainClient } from "../../chain/client.ts";
import { isDevelopmentChain } from "../../chain/development.ts";
import { VerificationFailedError, type VerificationOutcome, verifyRouter } from "../../deploy/index.ts";
import { hintOf } from "../exit/hints.ts";
import { currentRun } from "../process/surroundings.ts";

type Verification = VerificationOutcome | { readonly status: "failed"; readonly reason: string };

/** Has the explorer verify the source code. A failure is an outcome here, not an error. */
export async function verify(client: ChainClient, rpcUrl: string): Promise<Verification> {
  const apiKey = currentRun().env.ETHERSCAN_API_KEY;
  try {
    const outcome = await verifyRouter(client, { rpcUrl, apiKey });
    if (outcome.status === "verified" || (apiKey ?? "") !== "") return outcome;
    if (await isDevelopmentChain(client, rpcUrl)) return outcome;
    return { ...outcome, reason: `${outcome.reason} (ETHERSCAN_API_KEY is not set)` };
  } catch (error) {
    // The router was deployed, so the command must report it even if the explorer does not have its source code.
    if (!(error instanceof VerificationFailedError)) throw error;
    return {
      status: "failed",
      reason: [error.shortMessage, error.details ?? "", hintOf(error) ?? ""].join(" ").trim(),
    };
  }
}

export function describeVerification(verification: Verification): string {
  return verification.status === "verified"
    ? `source code verified: ${verification.url}`
    : `verification ${verification.status}: ${verification.reason}`;
}

/** Hardhat's plugins print their progress on stdout, where only the result belongs. */
export async function onStderr<T>(work: () => Promise<T>): Promise<T> {
  const { log } = console;
  console.log = console.error;
  try {
    return await work();
  } finally {
    console.log = log;
  }
}
