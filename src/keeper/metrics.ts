import { Counter, Gauge, Registry } from "prom-client";
import { type Address, decodeFunctionData, getAddress } from "viem";
import type { ChainClient } from "../chain/client.ts";
import { batchSettlementAbi as abi } from "../channels/abi.ts";
import { type Clock, systemClock } from "../clock.ts";
import type { Journal, KeeperCall, PaymentRow } from "../journal/index.ts";
import { everyChannel } from "../journal/pages.ts";
import type { SettlementEngine } from "../settlement/engine/types.ts";
import type { KeeperAlert } from "./alerts.ts";
import { unclaimedOf } from "./channels/rows.ts";

/** A keeper's metrics, for Prometheus. They name no channel, payer or receiver. */
export type KeeperMetrics = {
  /** An alert was raised. */
  readonly alerted: (kind: KeeperAlert["kind"]) => void;
  /** A call has ended: it settled if there is a row, it failed if there is none. */
  readonly concluded: (call: KeeperCall, row: PaymentRow | undefined) => void;
  /** A round has gone through. */
  readonly looked: () => void;
  /** The text format, with gauges read now. Gauges for which the journal or the node gives no answer are left out. */
  readonly render: () => Promise<{ readonly contentType: string; readonly body: string }>;
};

const ALERTS: Readonly<Record<KeeperAlert["kind"], true>> = {
  "claim-in-danger": true,
  "key-missing": true,
  "purse-low": true,
  "bad-voucher": true,
  "call-failed": true,
};

/** Metrics of one keeper: give them to `createChannelKeeper`, and let `render` answer a scrape. */
export function createKeeperMetrics(
  client: ChainClient,
  port: {
    readonly journal: Journal;
    readonly engine: Pick<SettlementEngine, "accounts">;
    readonly clock?: Clock;
  },
): KeeperMetrics {
  const { journal, engine, clock = systemClock } = port;
  const chainId = client.chain.id;
  const registry = new Registry();
  const gauge = <Label extends string = never>(name: string, help: string, labelNames: Label[] = []) =>
    new Gauge({ name: `tributary_${name}`, help, labelNames, registers: [registry] });
  const counter = <Label extends string = never>(name: string, help: string, labelNames: Label[] = []) =>
    new Counter({ name: `tributary_${name}`, help, labelNames, registers: [registry] });

  const channels = gauge("channels", "Channels in the journal that their server has not given up");
  const unclaimedChannels = gauge("channels_unclaimed", "Channels with something to claim");
  const withdrawing = gauge("channels_withdrawing", "Channels whose payer has announced a withdrawal");
  const unclaimed = gauge("channels_unclaimed_units", "Charged and not claimed, in atomic units", ["token"]);
  const unswept = gauge("channels_unswept_units", "Claimed and not swept, in atomic units", ["token"]);
  const deadline = gauge(
    "channels_claim_deadline_seconds",
    "Until the first payer can take what is not claimed; left out where no payer withdraws such",
  );
  const openCalls = gauge("keeper_open_calls", "Calls that are not decided");
  const lastRound = gauge("keeper_last_round_timestamp_seconds", "When the last round went through, in Unix time");
  const balance = gauge("sender_balance_ether", "Ether of a sending key, for gas", ["sender"]);
  const journalUp = gauge("journal_up", "Whether the journal answers, and took the last write");
  const alerts = counter("keeper_alerts_total", "Alerts, each once a minute while it lasts", ["kind"]);
  const calls = counter("keeper_calls_total", "Claims, sweeps and refunds, by outcome", ["kind", "outcome"]);
  const claimed = counter("keeper_claimed_channels_total", "Channels in claims and refunds that settled");
  const gas = counter("keeper_gas_total", "Gas of calls that settled: their part of their transactions", ["kind"]);
  for (const kind of Object.keys(ALERTS)) alerts.inc({ kind }, 0);

  async function readChannels(): Promise<void> {
    channels.set(await journal.countChannels(chainId));
    let [earning, leaving, nearest] = [0, 0, Number.POSITIVE_INFINITY];
    const amounts = new Map<Address, { unclaimed: bigint; unswept: bigint }>();
    const of = (token: string) => {
      const name = getAddress(token);
      const entry = amounts.get(name) ?? { unclaimed: 0n, unswept: 0n };
      amounts.set(name, entry);
      return entry;
    };
    // Receivers outlive their channels, so a token of which nothing is left shows as 0.
    for (const one of await journal.channelReceivers(chainId)) of(one.token).unswept += one.unswept;
    for await (const page of everyChannel(journal, chainId, "unclaimed")) {
      earning += page.length;
      for (const row of page) of(row.record.channelConfig.token).unclaimed += unclaimedOf(row);
    }
    for await (const page of everyChannel(journal, chainId, "withdrawing")) {
      leaving += page.length;
      const ends = page.flatMap((row) => (unclaimedOf(row) > 0n ? [row.withdrawal?.finalizeAfter ?? nearest] : []));
      nearest = Math.min(nearest, ...ends);
    }
    unclaimedChannels.set(earning);
    withdrawing.set(leaving);
    for (const [token, amount] of amounts) {
      unclaimed.set({ token }, Number(amount.unclaimed));
      unswept.set({ token }, Number(amount.unswept));
    }
    // A gauge without labels begins as 0, which would read as a deadline.
    deadline.remove();
    if (Number.isFinite(nearest)) deadline.set(nearest - clock.now() / 1000);
  }

  async function readJournal(): Promise<void> {
    try {
      await readChannels();
      openCalls.set((await journal.keeperCalls(chainId)).filter(({ state }) => state === "open").length);
      journalUp.set(journal.fault() === undefined ? 1 : 0);
    } catch {
      // No value is better than an old one.
      for (const one of [channels, unclaimedChannels, withdrawing, deadline, openCalls]) one.remove();
      for (const one of [unclaimed, unswept]) one.reset();
      journalUp.set(0);
    }
  }

  return {
    alerted: (kind) => alerts.inc({ kind }),
    concluded: (call, row) => {
      const kind = kindOf(call);
      calls.inc({ kind, outcome: row === undefined ? "failed" : "settled" });
      if (row === undefined) return;
      claimed.inc(call.claims.length);
      if (row.evidence.kind === "receipt") gas.inc({ kind }, Number(row.evidence.gasUsed));
    },
    looked: () => lastRound.set(clock.now() / 1000),
    render: async () => {
      await readJournal();
      await Promise.all(
        engine.accounts().map(async ({ address }) => {
          const wei = await client.getBalance({ address: address as Address }).catch(() => undefined);
          if (wei === undefined) balance.remove({ sender: address });
          else balance.set({ sender: address }, Number(wei / 10n ** 9n) / 1e9);
        }),
      );
      return { contentType: registry.contentType, body: await registry.metrics() };
    },
  };
}

function kindOf({ data }: KeeperCall): "claim" | "sweep" | "refund" {
  const { functionName } = decodeFunctionData({ abi, data });
  if (functionName === "settle") return "sweep";
  return functionName === "claim" || functionName === "claimWithSignature" ? "claim" : "refund";
}
