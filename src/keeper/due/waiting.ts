import { type Address, getAddress } from "viem";
import { z } from "zod";
import type { ChannelReceiver, ChannelRow, Journal } from "../../journal/index.ts";
import { formatAmount } from "../../money.ts";
import { unclaimedOf } from "../channels/rows.ts";
import { isHeldBack, netOf, sum } from "./choose.ts";
import { claimCost, type Prices, rowCost, sweepCost } from "./prices.ts";

/** Money that a keeper does not claim or sweep for now, and why. */
export type KeeperWaiting = {
  readonly kind: "claim" | "sweep";
  readonly payee: Address;
  readonly token: Address;
  /** Atomic units. */
  readonly amount: bigint;
  /** The number of channels; 0 for a sweep. */
  readonly channels: number;
  readonly why: /** It would cost more than the policy allows. */
    | "cost"
    /** No channel is worth its own row of a claim. */
    | "small"
    /** The claim failed, or the voucher is bad. It is tried again later. */
    | "failed"
    /** No key here may claim it. */
    | "no-key";
  /** The same for people to read, with what would have to change. */
  readonly message: string;
};

/** Why these channels, all of one authority, are not claimed now. */
export function whyUnclaimed(rows: readonly ChannelRow[], prices: Prices): readonly KeeperWaiting[] {
  const left = rows.filter((row) => unclaimedOf(row) > 0n);
  const [why, because] = reasonOf(left, prices);
  return byAccount(left, why, because);
}

/** The same for channels that no key here may claim. */
export function whyWithoutKey(rows: readonly ChannelRow[]): readonly KeeperWaiting[] {
  return byAccount(rows, "no-key", "no key here may claim it");
}

/** Why these receivers are not swept to now. */
export function whyUnswept(receivers: readonly ChannelReceiver[], prices: Prices): readonly KeeperWaiting[] {
  const { policy, nowMs } = prices;
  const cost = sweepCost(prices);
  return receivers.map(({ receiver: payee, token, unswept: amount, unsweptSinceMs = nowMs }) => {
    const oldMs = unsweptSinceMs + policy.maxSweepAgeMs;
    const message =
      `${usd(amount)} claimed for ${payee} is not swept: a sweep costs ${usd(cost)}. ` +
      `It is made at ${usd(worthAt(cost, policy.maxCostPermille))}, or once it pays from ${time(oldMs)} on.`;
    return { kind: "sweep", payee, token, amount, channels: 0, why: "cost", message };
  });
}

function reasonOf(rows: readonly ChannelRow[], prices: Prices): [KeeperWaiting["why"], string] {
  const { policy, nowMs } = prices;
  const claimable = rows.filter((row) => !isHeldBack(row, prices));
  if (claimable.length === 0) {
    const [fault] = rows.flatMap((row) => (row.fault === undefined ? [] : [row.fault]));
    return ["failed", `${fault?.reason ?? "its claim failed"}, and it is tried again later`];
  }
  const row = rowCost(prices);
  const worth = claimable.filter((one) => netOf(one, prices) > row);
  if (worth.length === 0) return ["small", `no channel of it holds more than its row of a claim costs, ${usd(row)}`];
  const cost = claimCost(worth.length, prices);
  const oldest = Math.min(...worth.map(({ unclaimedSinceMs = nowMs }) => unclaimedSinceMs));
  return [
    "cost",
    `a claim costs ${usd(cost)} and brings ${usd(sum(worth, prices))}. It is made at ` +
      `${usd(worthAt(cost, policy.maxCostPermille))}, or once it pays from ${time(oldest + policy.maxAgeMs)} on`,
  ];
}

function byAccount(rows: readonly ChannelRow[], why: KeeperWaiting["why"], because: string): readonly KeeperWaiting[] {
  const accounts = new Map<string, { payee: Address; token: Address; amount: bigint; channels: number }>();
  for (const row of rows) {
    const { receiver, token } = row.record.channelConfig;
    const name = `${receiver} ${token}`.toLowerCase();
    const one = accounts.get(name) ?? {
      payee: getAddress(receiver),
      token: getAddress(token),
      amount: 0n,
      channels: 0,
    };
    accounts.set(name, { ...one, amount: one.amount + unclaimedOf(row), channels: one.channels + 1 });
  }
  return [...accounts.values()].map((one) => {
    const where = one.channels === 1 ? "1 channel" : `${one.channels} channels`;
    const message = `${usd(one.amount)} in ${where} of ${one.payee} is not claimed: ${because}.`;
    return { kind: "claim", ...one, why, message };
  });
}

/** The smallest amount of which `cost` is at most `permille` thousandths. */
function worthAt(cost: bigint, permille: bigint): bigint {
  return (cost * 1_000n + permille - 1n) / permille;
}

// Amounts are of a dollar token with six decimals, as in the policy.
const usd = (amount: bigint) => formatAmount(amount, 6);
const time = (ms: number) => new Date(ms).toISOString();

const noteSchema = z.object({
  atMs: z.number(),
  waiting: z.array(
    z.object({
      kind: z.enum(["claim", "sweep"]),
      payee: z.custom<Address>((value) => typeof value === "string"),
      token: z.custom<Address>((value) => typeof value === "string"),
      amount: z.string().transform((text) => BigInt(text)),
      channels: z.number(),
      why: z.enum(["cost", "small", "failed", "no-key"]),
      message: z.string(),
    }),
  ),
});

const noteName = (chainId: number) => `keeper-waiting:${chainId}`;

/** What a journal's keeper last noted as waiting, and when; undefined if none noted anything. */
export async function readWaiting(
  journal: Pick<Journal, "cursor">,
  chainId: number,
): Promise<{ readonly atMs: number; readonly waiting: readonly KeeperWaiting[] } | undefined> {
  const note = await journal.cursor(noteName(chainId));
  return note === undefined ? undefined : noteSchema.parse(JSON.parse(note));
}

const AGAIN_AFTER_MS = 60_000;

/** Tells what waits: each reason when it begins. It also notes the list in the journal, for {@link readWaiting}. */
export function createWaitingList(port: {
  readonly journal: Pick<Journal, "setCursor">;
  readonly chainId: number;
  readonly tell: (waiting: KeeperWaiting) => void;
}) {
  let known: readonly KeeperWaiting[] = [];
  let notedAtMs = Number.NEGATIVE_INFINITY;
  const nameOf = ({ kind, payee, token, why }: KeeperWaiting) => `${kind} ${payee} ${token} ${why}`;
  return {
    waiting: () => known,
    update: async (now: readonly KeeperWaiting[], nowMs: number): Promise<void> => {
      const before = new Set(known.map(nameOf));
      const news = now.filter((one) => !before.has(nameOf(one)));
      const isSame = news.length === 0 && now.length === known.length;
      const isQuiet = now.length === 0 && known.length === 0 && Number.isFinite(notedAtMs);
      known = now;
      for (const one of news) port.tell(one);
      if (isQuiet || (isSame && nowMs - notedAtMs < AGAIN_AFTER_MS)) return;
      const waiting = now.map((one) => ({ ...one, amount: one.amount.toString() }));
      await port.journal.setCursor(noteName(port.chainId), JSON.stringify({ atMs: nowMs, waiting }));
      notedAtMs = nowMs;
    },
  };
}
