import { Command } from "commander";
import type { Address } from "viem";
import { readHead } from "../src/chain/facts/facts.ts";
import { connect, rpcTimeoutOption } from "../src/cli/connect/connect.ts";
import { journalOption, withJournal } from "../src/cli/connect/journal.ts";
import { UsageError } from "../src/cli/exit/errors.ts";
import { examples } from "../src/cli/options/examples.ts";
import { address, addresses, integer, jsonOption, network, rpcUrlOption } from "../src/cli/options/options.ts";
import { formatTable, printJson, printLine } from "../src/cli/output/output.ts";
import { startProgress } from "../src/cli/output/progress.ts";
import { paint } from "../src/cli/output/terminal.ts";
import { EXIT } from "../src/cli/process/exitCodes.ts";
import { currentRun } from "../src/cli/process/surroundings.ts";
import { formatAmount } from "../src/money.ts";
import { type Network, networkOf } from "../src/networks.ts";
import type { ChannelReconciliation } from "../src/settlement/reports/reconcile/channels.ts";
import type { Party, Tally } from "../src/settlement/reports/reconcile/ledger.ts";
import { type Difference, type Reconciliation, reconcile } from "../src/settlement/reports/reconcile/reconcile.ts";

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

const SHOWN = 20;

/** `tributary reconcile`: the journal against the chain. */
export function reconcileCommand(): Command {
  return new Command("reconcile")
    .description(
      "Compare what the journal says was settled in a block range with the token's logs and balances, for each payee and " +
        "each payer, and its channels' claims, sweeps and refunds with the channel contract's. Exit code 5 if they differ.",
    )
    .requiredOption("--from-block <number>", "first block", integer(0))
    .option("--to-block <number>", "last block (default: the newest)", integer(0))
    .option(
      "--payee <address>",
      "payments to this payee only; may be repeated (default: all of the journal)",
      addresses,
    )
    .option("--token <address>", "the token (default: the network's USDC)", address)
    .addOption(rpcUrlOption())
    .addOption(rpcTimeoutOption())
    .option("--network <name>", "refuses a node on any other network", network)
    .addOption(journalOption())
    .addOption(jsonOption())
    .addHelpText(
      "after",
      examples("reconcile --from-block 31000000 --to-block 31043200", "reconcile --from-block 0 --json"),
    )
    .action(runReconcile);
}

async function runReconcile(options: Options): Promise<void> {
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

function describe(result: Reconciliation): string[] {
  const { fromBlock, toBlock, token, drift } = result;
  const right = (title: string) => ({ title, align: "right" as const });
  const rows: [string, Tally][] = [
    ["in the journal and on the chain", result.matched],
    ["only in the journal", result.onlyInJournal],
    ["only on the chain", result.onlyOnChain],
    ["on the chain, still open in the journal", result.undecided],
  ];
  const table = formatTable(
    [{ title: `blocks ${fromBlock} to ${toBlock}` }, right("payments"), right("USDC")],
    rows.map(([name, { count, value }]) => [name, String(count), formatAmount(value, 6)]),
  );
  return [
    ...table.split("\n"),
    "",
    ...describeParties("payee", result.payees),
    "",
    ...describeParties("payer", result.payers),
    ...describeDifferences(result.differences),
    ...(result.channels === undefined ? [] : describeChannels(result.channels)),
    "",
    result.balancesChecked
      ? `balances of ${token} checked at both ends`
      : "balances not checked: the node has no state of these blocks (an archive node has)",
    drift === 0
      ? paint("good", "drift: 0")
      : `${paint("bad", `drift: ${drift}`)}. Something settled or was claimed that the journal does not know, or the other way round`,
  ];
}

function describeChannels(channels: ChannelReconciliation): string[] {
  const { claims, sweeps, givenBack, receivers, differences } = channels;
  const right = (title: string) => ({ title, align: "right" as const });
  const cells = ({ count, value }: Tally) => [String(count), formatAmount(value, 6)];
  const tallies = Object.entries({ claims, sweeps, "refunds and withdrawals": givenBack });
  const table = formatTable(
    [
      { title: "channels" },
      right("matched"),
      right("USDC"),
      right("only journal"),
      right("only chain"),
      right("not read yet"),
    ],
    tallies.map(([name, { matched, onlyInJournal, onlyOnChain, undecided }]) => [
      name,
      ...cells(matched),
      ...[onlyInJournal, onlyOnChain, undecided].map(({ count }) => String(count)),
    ]),
  );
  const accounts = formatTable(
    [{ title: "receiver" }, right("unclaimed now"), right("unswept now"), right("claimed by unknown channels")],
    receivers.map(({ receiver, unclaimed, unswept, unknownClaims }) => [
      receiver,
      formatAmount(unclaimed, 6),
      formatAmount(unswept, 6),
      unknownClaims === undefined ? "?" : formatAmount(unknownClaims, 6),
    ]),
  );
  const lines = differences.slice(0, SHOWN).map(({ side, kind, channelId, receiver, amount, transactionHash }) => {
    const where = { onlyInJournal: "only in the journal", onlyOnChain: "only on the chain", undecided: "not read yet" }[
      side
    ];
    const whose = channelId === undefined ? receiver : `${receiver}, channel ${channelId}`;
    return `${where}: ${kind} of ${formatAmount(amount, 6)} USDC for ${whose} in ${transactionHash}`;
  });
  const more = differences.length - lines.length;
  return [
    "",
    ...table.split("\n"),
    "",
    ...accounts.split("\n"),
    ...lines,
    ...(more > 0 ? [`… and ${more} more (--json has the first ${differences.length})`] : []),
  ];
}

function describeParties(role: string, parties: readonly Party[]): string[] {
  const right = (title: string) => ({ title, align: "right" as const });
  const off = (party: Party) =>
    party.onlyInJournal.count + party.onlyOnChain.count + (party.drift === undefined || party.drift === 0n ? 0 : 1);
  const shown = [...parties].sort((a, b) => off(b) - off(a)).slice(0, SHOWN);
  const table = formatTable(
    [
      { title: role },
      right("matched"),
      right("USDC"),
      right("only journal"),
      right("only chain"),
      right("balance off by"),
    ],
    shown.map((party) => [
      party.address,
      String(party.matched.count),
      formatAmount(party.matched.value, 6),
      String(party.onlyInJournal.count),
      String(party.onlyOnChain.count),
      party.drift === undefined ? "?" : formatAmount(party.drift, 6),
    ]),
  );
  const more = parties.length - shown.length;
  return [...table.split("\n"), ...(more > 0 ? [`… and ${more} more (--json has them all)`] : [])];
}

function describeDifferences(differences: readonly Difference[]): string[] {
  if (differences.length === 0) return [];
  const lines = differences.slice(0, SHOWN).map(({ kind, from, to, value, nonce, blockNumber, journal }) => {
    const known = journal === undefined ? "" : `, in the journal as payment ${journal.id}, ${journal.state}`;
    return `${kind}: ${formatAmount(value, 6)} USDC from ${from} to ${to}, nonce ${nonce}, block ${blockNumber}${known}`;
  });
  const more = differences.length - lines.length;
  return ["", ...lines, ...(more > 0 ? [`… and ${more} more (--json has the first ${differences.length})`] : [])];
}
