import type { Address } from "viem";
import { readHead } from "../../chain/facts/facts.ts";
import { type Network, networkOf } from "../../networks.ts";
import { reconcile } from "../../settlement/reports/reconcile/reconcile.ts";
import { connect } from "../connect/connect.ts";
import { withJournal } from "../connect/journal.ts";
import { UsageError } from "../exit/errors.ts";
import { printJson, printLine } from "../output/output.ts";
import { startProgress } from "../output/progress.ts";
import { EXIT } from "../process/exitCodes.ts";
import { currentRun } from "../process/surroundings.ts";
import { describe } from "./text.ts";

type Options = {
  readonly rpcUrl: string;
  readonly rpcTimeout: number;
  readonly network?: Network;
  readonly token?: Address;
  readonly payee?: readonly Address[];
  readonly fromBlock: number;
  readonly toBlock?: number;
  readonly journal?: string;
  readonly json?: true;
};

/** Compares the journal with the chain and prints the differences. */
export async function runReconcile(options: Options): Promise<void> {
  const client = await connect(options);
  const token = options.token ?? networkOf(client.chain.id)?.usdc.address;
  if (token === undefined) {
    throw new UsageError(`Which token? No USDC is known on chain ${client.chain.id}.`, {
      hint: "Name it with --token.",
    });
  }
  const newest = (await readHead(client)).number;
  const [fromBlock, toBlock] = [BigInt(options.fromBlock), BigInt(options.toBlock ?? newest)];
  if (toBlock > newest || fromBlock > toBlock) {
    throw new UsageError(`There are no blocks ${fromBlock} to ${toBlock}: the newest is ${newest}.`);
  }
  const result = await withJournal(options, async (journal) => {
    const progress = startProgress("blocks", Number(toBlock - fromBlock + 1n));
    try {
      return await reconcile(client, {
        journal,
        token,
        fromBlock,
        toBlock,
        payees: options.payee,
        onProgress: ({ block }) => progress.update(Number(block - fromBlock + 1n)),
      });
    } finally {
      progress.stop();
    }
  });
  if (options.json === true) printJson(result);
  else for (const line of describe(result)) printLine(line);
  const { channels } = result;
  const isOpen = [result, channels?.claims, channels?.sweeps, channels?.givenBack].some(
    (one) => (one?.undecided.count ?? 0) > 0,
  );
  if (result.drift > 0) currentRun().exitCode = EXIT.check;
  else if (isOpen) currentRun().exitCode = EXIT.unknown;
}
