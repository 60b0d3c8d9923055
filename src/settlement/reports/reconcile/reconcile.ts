import { type Address, getAddress, type Hex, isAddressEqual } from "viem";
import { authorizationId } from "../../../authorization/identity.ts";
import type { ChainClient } from "../../../chain/client.ts";
import { type BlockRange, inPieces, readTransfers, readUses, type TransferLog } from "../../../chain/logs/tokenLogs.ts";
import { everyRow } from "../../../journal/pages.ts";
import type { Journal } from "../../../journal/ports/journal.ts";
import { isDecided, type PaymentRow } from "../../../journal/ports/payments.ts";
import { chunks, groupBy } from "../../../lists.ts";
import type { Tally } from "../../job/summary.ts";
import { type Settlement, settlementOf } from "../earnings/terms.ts";
import { addFlows, readBalancesAround } from "./balances.ts";
import { type ChannelReconciliation, reconcileChannels } from "./channels.ts";
import { createLedger, type Party } from "./ledger.ts";

/** What to compare: a token, a range of blocks, and the payees. */
export type ReconcileOptions = {
  /** The journal to compare with the chain. */
  readonly journal: Journal;
  /** The token whose logs and balances are read. */
  readonly token: Address;
  /** The first block, included. */
  readonly fromBlock: bigint;
  /** The last block, included. */
  readonly toBlock: bigint;
  /** Compares payments to these only; by default to every payee of the journal. */
  readonly payees?: readonly Address[] | undefined;
  /** Called after each piece of the chain with its last block and the number of settlements that match so far. */
  readonly onProgress?: (progress: { readonly block: bigint; readonly settlements: number }) => void;
};

/** A settlement that only one side knows, or that the journal is not sure about yet. */
export type Difference = {
  readonly kind: "only-in-journal" | "only-on-chain" | "undecided";
  readonly from: Address;
  readonly to: Address;
  readonly value: bigint;
  readonly nonce: Hex;
  readonly blockNumber: bigint;
  readonly transactionHash: Hex | undefined;
  /** The journal's first row with this payer and nonce; undefined if there is none. */
  readonly journal: { readonly id: number; readonly state: PaymentRow["state"] } | undefined;
};

/** The journal compared with the chain, for payments of one token to some payees in a block range. */
export type Reconciliation = {
  readonly chainId: number;
  readonly token: Address;
  readonly fromBlock: bigint;
  readonly toBlock: bigint;
  readonly matched: Tally;
  readonly onlyInJournal: Tally;
  readonly onlyOnChain: Tally;
  /** On the chain, but still open in the journal: a running engine will conclude it. */
  readonly undecided: Tally;
  readonly payees: readonly Party[];
  readonly payers: readonly Party[];
  /** The first differences; the tallies count all. */
  readonly differences: readonly Difference[];
  /** Claims, sweeps and refunds; undefined if the journal has no channels in the token. */
  readonly channels: ChannelReconciliation | undefined;
  /** Whether the node had the balances of both ends of the range. */
  readonly balancesChecked: boolean;
  /** How many settlements, balances, claims, sweeps and refunds do not agree. It must be zero. */
  readonly drift: number;
};

const LOOKUPS_AT_ONCE = 500;
const PARTIES_PER_QUERY = 100;
const SHOWN_DIFFERENCES = 100;

/**
 * Compares the settlements of the journal with the token's own logs and balances. It reads the chain in pieces and the
 * journal page by page; memory holds one tally for each payer and payee, and one bit for each payment.
 * @throws ChainUnavailableError if the node does not answer; JournalError if the journal cannot be read.
 */
export async function reconcile(client: ChainClient, query: ReconcileOptions): Promise<Reconciliation> {
  const { journal, token, fromBlock, toBlock } = query;
  const range: BlockRange = { from: fromBlock, to: toBlock };
  const channels = await reconcileChannels(client, journal, {
    ...range,
    token,
    payees: query.payees,
    mostDifferences: SHOWN_DIFFERENCES,
  });
  const payees = query.payees ?? (await readPayees(journal, client.chain.id, token));
  const wanted = new Set(payees.map((payee) => payee.toLowerCase()));
  const ledger = createLedger();
  const differences: Difference[] = [];
  const matchedIds = createBits();

  const differ = (difference: Difference): void => {
    if (differences.length < SHOWN_DIFFERENCES) differences.push(difference);
  };

  for (const to of chunks(payees, PARTIES_PER_QUERY)) {
    await inPieces(range, async (piece) => {
      const transfers = await readTransfers(client, token, piece, { to });
      const settlements = await pairWithUses(client, token, piece, transfers);
      for (const some of chunks(settlements, LOOKUPS_AT_ONCE)) await matchAll(some);
      query.onProgress?.({ block: piece.to, settlements: ledger.total("matched").count });
      return transfers.length + settlements.length;
    });
  }

  for await (const row of paidRows(journal, client.chain.id)) {
    const claim = settlementOf(row, token);
    if (claim === undefined || !wanted.has(claim.to.toLowerCase()) || matchedIds.has(row.id)) continue;
    if (claim.blockNumber < fromBlock || claim.blockNumber > toBlock) continue;
    ledger.add("onlyInJournal", claim);
    differ({ kind: "only-in-journal", ...claim, journal: { id: row.id, state: row.state } });
  }

  for (const payee of payees) ledger.party("payee", payee);
  const balances = await readBalancesAround(client, token, range, ledger.addresses());
  if (balances !== undefined) await addFlows(client, token, range, ledger);
  const parties = ledger.finish(balances);
  const all = [...parties.payees, ...parties.payers];
  const unbalanced = new Set(
    all.filter(({ drift }) => drift !== undefined && drift !== 0n).map(({ address }) => address),
  );
  const [onlyInJournal, onlyOnChain] = [ledger.total("onlyInJournal"), ledger.total("onlyOnChain")];
  return {
    chainId: client.chain.id,
    token,
    fromBlock,
    toBlock,
    matched: ledger.total("matched"),
    onlyInJournal,
    onlyOnChain,
    undecided: ledger.total("undecided"),
    ...parties,
    differences,
    channels,
    balancesChecked: balances !== undefined,
    drift: onlyInJournal.count + onlyOnChain.count + unbalanced.size + (channels?.drift ?? 0),
  };

  async function matchAll(settlements: readonly Settlement[]): Promise<void> {
    const ids = settlements.map(({ from, nonce }) => authorizationId({ chainId: client.chain.id, token, from, nonce }));
    const byIdentity = groupBy(await journal.withIdentities(ids), ({ identity }) => identity);
    for (const [index, settlement] of settlements.entries()) {
      const variants = byIdentity.get(ids[index] ?? "") ?? [];
      const paid = variants.find((row) => knows(row, settlement));
      const [first] = variants;
      const known = first === undefined ? undefined : { id: first.id, state: first.state };
      if (paid !== undefined) {
        matchedIds.add(paid.id);
        ledger.add("matched", settlement);
      } else if (variants.some((row) => !isDecided(row))) {
        ledger.add("undecided", settlement);
        differ({ kind: "undecided", ...settlement, journal: known });
      } else {
        ledger.add("onlyOnChain", settlement);
        differ({ kind: "only-on-chain", ...settlement, journal: known });
      }
    }
  }
}

/** The transfers whose log follows an `AuthorizationUsed` of their payer at once. */
async function pairWithUses(
  client: ChainClient,
  token: Address,
  piece: BlockRange,
  transfers: readonly TransferLog[],
): Promise<Settlement[]> {
  const payers = [...new Set(transfers.map(({ from }) => from))];
  const nonces = new Map<string, { readonly authorizer: Address; readonly nonce: Hex }>();
  for (const some of chunks(payers, PARTIES_PER_QUERY)) {
    for (const { transactionHash, logIndex, authorizer, nonce } of await readUses(client, token, piece, some)) {
      nonces.set(`${transactionHash}:${logIndex}`, { authorizer, nonce });
    }
  }
  return transfers.flatMap((transfer) => {
    const use = nonces.get(`${transfer.transactionHash}:${transfer.logIndex - 1}`);
    if (use === undefined || use.authorizer !== transfer.from) return [];
    const { from, to, value, blockNumber, transactionHash } = transfer;
    return [{ from, to, value, nonce: use.nonce, blockNumber, transactionHash }];
  });
}

/** Whether a row reports this settlement. If a variant used the row's nonce, the transaction is compared alone. */
function knows(row: PaymentRow, settlement: Settlement): boolean {
  const { evidence, work } = row;
  if (work.kind !== "authorization") return false;
  if (evidence.kind === "nonce-use" && evidence.use === "used-by-variant") {
    return evidence.transactionHash === settlement.transactionHash;
  }
  const claim = settlementOf(row, work.authorization.token);
  return (
    claim !== undefined &&
    claim.transactionHash === settlement.transactionHash &&
    claim.to === settlement.to &&
    claim.value === settlement.value
  );
}

async function* paidRows(journal: Journal, chainId: number): AsyncGenerator<PaymentRow, void> {
  for (const state of ["settled", "settled-elsewhere", "already-used"] as const) {
    for await (const rows of everyRow((page) => journal.list({ chainId, states: [state], ...page }))) yield* rows;
  }
}

async function readPayees(journal: Journal, chainId: number, token: Address): Promise<Address[]> {
  const receivers = (await journal.channelReceivers(chainId)).filter((one) => isAddressEqual(one.token, token));
  const payees = new Set<Address>(receivers.map(({ receiver }) => getAddress(receiver)));
  for await (const rows of everyRow((page) => journal.list({ chainId, ...page }))) {
    for (const { work } of rows) {
      if (work.kind !== "authorization" || work.authorization.token.toLowerCase() !== token.toLowerCase()) continue;
      payees.add(work.authorization.to);
    }
  }
  return [...payees];
}

/** A set of numbers that takes one bit for each. */
function createBits(): { readonly add: (id: number) => void; readonly has: (id: number) => boolean } {
  let bytes = new Uint8Array(1_024);
  return {
    add: (id) => {
      if (id >> 3 >= bytes.length) {
        const larger = new Uint8Array(Math.max(bytes.length * 2, (id >> 3) + 1));
        larger.set(bytes);
        bytes = larger;
      }
      bytes[id >> 3] = (bytes[id >> 3] ?? 0) | (1 << (id & 7));
    },
    has: (id) => ((bytes[id >> 3] ?? 0) & (1 << (id & 7))) !== 0,
  };
}
