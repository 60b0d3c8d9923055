import { formatAmount } from "../../money.ts";
import type { ChannelReconciliation, Difference, Party, Reconciliation, Tally } from "../../settlement/index.ts";
import { formatTable } from "../output/output.ts";
import { paint } from "../output/terminal.ts";

const SHOWN = 20;

/** A reconciliation for people, line by line. */
export function describe(result: Reconciliation): string[] {
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
      : `${paint("bad", `drift: ${drift}`)}. The chain has settlements or claims that the journal does not know, or the other way round`,
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
