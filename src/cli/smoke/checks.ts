import { type Address, erc20Abi, type LocalAccount } from "viem";
import type { ChainClient } from "../../chain/client.ts";
import { runDoctor } from "../../doctor/index.ts";
import { formatAmount } from "../../money.ts";
import { formatReport } from "../doctor/text.ts";
import { CommandError } from "../exit/errors.ts";
import { withHints } from "../exit/hints.ts";
import { notice } from "../output/output.ts";
import { EXIT } from "../process/exitCodes.ts";
import { currentRun } from "../process/surroundings.ts";
import type { Options } from "./options.ts";
import type { Transcript } from "./transcript.ts";

/** Runs the doctor, and ends the command if it finds something that would make settling fail. */
export async function examine(
  account: LocalAccount,
  options: Options,
  routerMissing: boolean,
  transcript: Transcript | undefined,
): Promise<void> {
  const report = withHints(await runDoctor(options.rpcUrl, { network: options.network, sender: account.address }));
  for (const line of formatReport(report, currentRun().stderr)) notice(line);
  await transcript?.note({ checks: report.checks });
  const failed = report.checks.filter(({ name, status }) => status === "fail" && !(routerMissing && name === "router"));
  if (failed.length === 0) return;
  throw new CommandError(
    `The doctor found problems that stop payments (${failed.length}); nothing was sent.`,
    EXIT.check,
    {
      hint: "Fix what the lines above say, then run the command again.",
    },
  );
}

/** Ends the command if the payer has too little USDC. */
export async function requireBalance(
  client: ChainClient,
  owner: Address,
  usdc: Address,
  needed: bigint,
): Promise<void> {
  const args = [owner] as const;
  const owned = await client.readContract({ address: usdc, abi: erc20Abi, functionName: "balanceOf", args });
  if (owned >= needed) return;
  throw new CommandError(
    `${owner} has ${formatAmount(owned, 6)} USDC and needs ${formatAmount(needed, 6)}.`,
    EXIT.check,
    {
      hint: "Get test USDC from https://faucet.circle.com (Base Sepolia), then run the command again.",
    },
  );
}
