import type { ChainClient } from "../../chain/client.ts";
import type { HeldLease, SenderRow } from "../../journal/index.ts";
import { formatEtherBriefly } from "../../money.ts";
import type { Network } from "../../networks.ts";
import { nameOf } from "../../settlement/engine/takeKeys.ts";
import { connect } from "../connect/connect.ts";
import { withJournal } from "../connect/journal.ts";
import { formatTable, notice, printJson, printLine } from "../output/output.ts";
import { time } from "../output/paymentText.ts";

type Options = {
  readonly rpcUrl: string;
  readonly rpcTimeout: number;
  readonly network?: Network;
  readonly journal?: string;
  readonly json?: true;
};

/** What the node says about a key; undefined if it was not asked or did not answer. */
type OnChain = { readonly balanceWei: bigint; readonly txNonce: number; readonly pendingTxNonce: number };

/** Prints the sending keys of the journal, with what the node says about them if one answers. */
export async function runAccounts(options: Options): Promise<void> {
  await withJournal(options, async (journal) => {
    const senders = await journal.senders();
    const client = await connect(options).catch((error: unknown) => {
      if (options.network !== undefined) throw error;
      notice("notice: no node answers; what follows is from the journal alone");
      return undefined;
    });
    const accounts = await Promise.all(
      senders.map(async (sender) => ({ ...sender, chain: await readAccount(client, sender) })),
    );
    if (options.json === true) {
      printJson({
        accounts: accounts.map(({ chain, lastTxNonce, lease, ...account }) => ({
          ...account,
          balanceWei: chain?.balanceWei ?? null,
          txNonce: chain?.txNonce ?? null,
          pendingTxNonce: chain?.pendingTxNonce ?? null,
          lastTxNonce: lastTxNonce ?? null,
          lease: lease === undefined ? null : leaseJson(lease),
        })),
      });
      return;
    }
    if (accounts.length === 0) printLine("the journal has sent from no key yet");
    else printLine(table(accounts));
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

function leaseJson(lease: HeldLease) {
  const { owner, place, takenAtMs, ttlMs, silentForMs } = lease;
  const where = { host: place?.host ?? null, pid: place?.pid ?? null };
  return { owner, ...where, takenAt: time(takenAtMs), ttlMs, renewedAgoMs: silentForMs, held: isRenewed(lease) };
}

/** Whether the lease was renewed before it ran out, by the database's clock. */
function isRenewed({ silentForMs, ttlMs }: HeldLease): boolean {
  return silentForMs < ttlMs;
}

function leaseText(lease: HeldLease): string {
  const { takenAtMs, silentForMs } = lease;
  const since = `since ${time(takenAtMs)}, renewed ${Math.round(silentForMs / 1000)} s ago`;
  return `${isRenewed(lease) ? "held by" : "not given back by"} ${nameOf(lease)}, ${since}`;
}

function table(accounts: readonly (SenderRow & { readonly chain: OnChain | undefined })[]): string {
  const right = (title: string) => ({ title, align: "right" as const });
  return formatTable(
    [
      { title: "sender", isWhole: true },
      right("chain"),
      right("balance ETH"),
      right("txNonce"),
      right("last stored"),
      right("in flight"),
      right("epoch"),
      { title: "lease" },
    ],
    accounts.map(({ sender, chainId, chain, lastTxNonce, openBatches, epoch, lease }) => [
      sender,
      String(chainId),
      chain === undefined ? "?" : formatEtherBriefly(chain.balanceWei, "down"),
      chain === undefined ? "?" : String(chain.txNonce),
      lastTxNonce === undefined ? "–" : String(lastTxNonce),
      String(openBatches),
      String(epoch),
      lease === undefined ? "free" : leaseText(lease),
    ]),
  );
}
