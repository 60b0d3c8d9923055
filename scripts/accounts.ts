import { Command } from "commander";
import { formatEther } from "viem";
import type { ChainClient } from "../src/chain/client.ts";
import type { Network } from "../src/networks.ts";
import type { SenderRow } from "../src/settlement/store/index.ts";
import { connect, rpcTimeoutOption } from "./cli/connect.ts";
import { journalOption, withJournal } from "./cli/journal.ts";
import { jsonOption, network, rpcUrlOption } from "./cli/options.ts";
import { formatTable, notice, printJson, printLine } from "./cli/output.ts";
import { time } from "./cli/paymentText.ts";
import { examples } from "./cli/program.ts";

type Options = {
  readonly rpcUrl: string;
  readonly rpcTimeout: number;
  readonly network?: Network;
  readonly journal?: string;
  readonly json?: true;
};

/** What the node says of a key; undefined where it was not asked or did not answer. */
type OnChain = { readonly balanceWei: bigint; readonly txNonce: number; readonly pendingTxNonce: number };

/** `tributary accounts`: the sending keys of the journal. Needs no key and takes no lease. */
export function accountsCommand(): Command {
  return new Command("accounts")
    .description(
      "Show the keys that the journal has sent from: txNonce, balance, what is in flight, and who has the lease.",
    )
    .addOption(rpcUrlOption())
    .addOption(rpcTimeoutOption())
    .option("--network <name>", "refuses a node on any other network", network)
    .addOption(journalOption())
    .addOption(jsonOption())
    .addHelpText("after", examples("accounts", "accounts --json"))
    .action(runAccounts);
}

async function runAccounts(options: Options): Promise<void> {
  await withJournal(options, async (store) => {
    const senders = await store.senders();
    const client = await connect(options).catch((error: unknown) => {
      if (options.network !== undefined) throw error;
      notice("notice: no node answers; what follows is from the journal alone");
      return undefined;
    });
    const nowMs = Date.now();
    const accounts = await Promise.all(
      senders.map(async (sender) => ({ ...sender, chain: await readAccount(client, sender) })),
    );
    if (options.json === true) {
      printJson({
        accounts: accounts.map(({ chain, lastTxNonce, owner, expiresAtMs, ...account }) => ({
          ...account,
          balanceWei: chain?.balanceWei ?? null,
          txNonce: chain?.txNonce ?? null,
          pendingTxNonce: chain?.pendingTxNonce ?? null,
          lastTxNonce: lastTxNonce ?? null,
          lease: owner === undefined ? null : { owner, expiresAt: time(expiresAtMs), held: expiresAtMs > nowMs },
        })),
      });
      return;
    }
    if (accounts.length === 0) printLine("the journal has sent from no key yet");
    else printLine(table(accounts, nowMs));
  });
}

async function readAccount(client: ChainClient | undefined, sender: SenderRow): Promise<OnChain | undefined> {
  if (client?.chain.id !== sender.chainId) return undefined;
  const address = sender.sender;
  try {
    const [balanceWei, txNonce, pendingTxNonce] = await Promise.all([
      client.getBalance({ address }),
      client.getTransactionCount({ address, blockTag: "latest" }),
      client.getTransactionCount({ address, blockTag: "pending" }),
    ]);
    return { balanceWei, txNonce, pendingTxNonce };
  } catch {
    return undefined;
  }
}

function table(accounts: readonly (SenderRow & { readonly chain: OnChain | undefined })[], nowMs: number): string {
  const right = (title: string) => ({ title, align: "right" as const });
  return formatTable(
    [
      { title: "sender" },
      right("chain"),
      right("balance ETH"),
      right("txNonce"),
      right("last stored"),
      right("in flight"),
      right("epoch"),
      { title: "lease" },
    ],
    accounts.map(({ sender, chainId, chain, lastTxNonce, openBatches, epoch, owner, expiresAtMs }) => [
      sender,
      String(chainId),
      chain === undefined ? "?" : formatEther(chain.balanceWei),
      chain === undefined ? "?" : String(chain.txNonce),
      lastTxNonce === undefined ? "–" : String(lastTxNonce),
      String(openBatches),
      String(epoch),
      owner === undefined
        ? "free"
        : `${expiresAtMs > nowMs ? "held by" : "ran out, was of"} ${owner}, ${time(expiresAtMs)}`,
    ]),
  );
}
