import type { Address, Hex } from "viem";
import { mutex } from "../async/mutex.ts";
import { startSteady } from "../async/steady.ts";
import { ask } from "../chain/ask.ts";
import type { ChainClient } from "../chain/client.ts";
import { readHead } from "../chain/facts/facts.ts";
import { CLAIM_GAS, CLAIM_ROW_GAS } from "../channels/gas.ts";
import { systemClock } from "../clock.ts";
import type { ChannelRow, KeeperCall } from "../journal/index.ts";
import { everyChannel } from "../journal/pages.ts";
import { silentLogger } from "../logger.ts";
import { createAlerts } from "./alerts.ts";
import { type Authority, authorityName, authorityOf } from "./calls/authority.ts";
import { type CallResult, createCallRunner, minedIn } from "./calls/calls.ts";
import { type BadVoucher, type ComposePort, composeClaims, composeSweep } from "./calls/compose.ts";
import { noteFailure, noteFaults } from "./calls/faults.ts";
import { refundChannel } from "./calls/refund.ts";
import { ChannelError } from "./channels/errors.ts";
import { unclaimedOf } from "./channels/rows.ts";
import { audit, catchUp, lookAtReceivers } from "./channels/watch.ts";
import { chooseClaims, chooseSweeps, netOf } from "./due/choose.ts";
import { resolveKeeperPolicy } from "./due/policy.ts";
import { claimCost, type Prices, readPrices } from "./due/prices.ts";
import { createWaitingList, type KeeperWaiting, whyUnclaimed, whyUnswept, whyWithoutKey } from "./due/waiting.ts";
import { serveRequests } from "./requests.ts";
import { readChannelStatus } from "./status.ts";
import type { ChannelKeeper, ClaimReport, KeeperOptions, SweepReport } from "./types.ts";

/** How long a call that was under way when somebody asked for the same claim or sweep may take before it seems stuck. */
const JOIN_MS = 15_000;
/** How often the keeper looks for requests in the journal. */
const REQUESTS_MS = 500;

/**
 * Starts a merchant's keeper. It follows withdrawals from the merchant's channels on the chain and claims what is
 * earned before a payer can take it back. Otherwise it claims and sweeps when the policy says that it pays. It reports
 * what stands in the way.
 * @throws KeeperPolicyError if a value of the policy is out of its range.
 */
export function createChannelKeeper(client: ChainClient, options: KeeperOptions): ChannelKeeper {
  const { journal, engine, authorizers, metrics, clock = systemClock, logger = silentLogger } = options;
  const policy = resolveKeeperPolicy(options.policy);
  const chainId = client.chain.id;
  const closing = new AbortController();
  const alerts = createAlerts(clock, logger, (alert) => {
    metrics?.alerted(alert.kind);
    options.onAlert?.(alert);
  });
  const port = { journal, client, clock, policy };
  const runner = createCallRunner({
    ...port,
    engine,
    logger,
    onDone: (call, row, activities) => {
      metrics?.concluded(call, row);
      for (const activity of activities) {
        const { kind, channels, ...fields } = activity;
        logger.info(`keeper: ${kind}`, { ...fields, channels: channels.length });
        options.onActivity?.(activity);
      }
    },
    onFailed: (call, why) => {
      metrics?.concluded(call, undefined);
      const message = `A call of ${call.claims.length} claims failed: ${why}.`;
      alerts.say({ kind: "call-failed", message }, call.key);
    },
  });
  const waitingList = createWaitingList({
    journal,
    chainId,
    tell: (waiting) => {
      logger.info(`keeper: ${waiting.message}`);
      options.onWaiting?.(waiting);
    },
  });
  let lastAuditMs = Number.NEGATIVE_INFINITY;
  let lastPrices: Prices | undefined;
  /** Rounds and requests run one after the other, so that no two of them claim the same. */
  const inTurn = mutex();

  const senders = () => engine.accounts().map(({ address }) => address as Address);
  /** @param isAsked Whether somebody asked for the claim: then it may cost more than it brings. */
  const composePort = (isAsked = false): ComposePort => {
    const nowMs = clock.now();
    const deadlineSeconds = BigInt(Math.ceil((nowMs + policy.callTimeoutMs) / 1000));
    const { maxRows, maxSignerGas: signerGas, gasFloor } = policy;
    const etherMicroUsd = isAsked ? 0n : policy.etherMicroUsd;
    return { client, maxRows, signerGas, gasFloor, etherMicroUsd, senders: senders(), nowMs, deadlineSeconds };
  };
  const authorityFor = (row: ChannelRow) => authorityOf(row.record.channelConfig, authorizers, senders());

  async function round(): Promise<void> {
    let nowSeconds = Math.floor(clock.now() / 1000);
    try {
      await runner.follow();
      const head = await readHead(client);
      nowSeconds = Number(head.timestamp);
      await catchUp(port, head.number, options.firstBlock);
      if (clock.now() - lastAuditMs >= policy.auditMs) {
        await audit(port);
        lastAuditMs = clock.now();
      }
      await claimAndSweep();
      metrics?.looked();
    } finally {
      // Also if the node does not answer: that is when it matters most.
      await sayDangers(nowSeconds);
    }
  }

  /** Starts the claims and sweeps that the policy asks for now. A round does not wait for them: the runner does. */
  async function claimAndSweep(): Promise<void> {
    const prices = await readPrices(client, policy, clock.now());
    lastPrices = prices;
    const { groups, withoutKey } = byAuthority(await unclaimedRows());
    for (const row of withoutKey) sayKeyMissing(row);
    const waiting: KeeperWaiting[] = [...whyWithoutKey(withoutKey)];
    const claimed: ChannelRow[] = [];
    const claims: KeeperCall[] = [];
    for (const { authority, rows } of groups) {
      const choice = chooseClaims(rows, prices);
      waiting.push(
        ...whyUnclaimed(
          rows.filter((row) => !choice?.rows.includes(row)),
          prices,
        ),
      );
      if (choice === undefined) continue;
      logger.info("keeper: claims", { channels: choice.rows.length, why: choice.reason });
      const { calls } = await compose(authority, choice.rows);
      const inCalls = new Set(calls.flatMap(({ claims }) => claims.map(({ channelId }) => channelId)));
      claimed.push(...choice.rows.filter(({ channelId }) => inCalls.has(channelId)));
      claims.push(...calls);
    }
    const started = await Promise.all(claims.map(runner.start));
    for (const { ended } of started) {
      void ended.then((result) => (closing.signal.aborted ? undefined : noteFailure(port, result)));
    }
    const busy = new Set((await runner.open()).flatMap(({ sweeps }) => sweeps.map(receiverName)));
    const receivers = await journal.channelReceivers(chainId);
    const sweeps = chooseSweeps(receivers, claimed, prices).filter((one) => !busy.has(receiverName(one)));
    // Sweeps go after the claims: one key's transactions are mined in the order in which its calls were taken.
    await Promise.all(sweeps.map((sweep) => runner.start(composeSweep(composePort(), sweep))));
    const left = receivers.filter((one) => {
      const isChosen = busy.has(receiverName(one)) || sweeps.some((sweep) => receiverName(sweep) === receiverName(one));
      return one.unswept > 0n && !isChosen;
    });
    await waitingList.update([...waiting, ...whyUnswept(left, prices)], clock.now());
    if (groups.length > 0) await lookAtPurse(prices.gasPriceWei);
  }

  /** Channels with something to claim that no open call claims. Calls with the keys in `except` do not count. */
  async function unclaimedRows(except: ReadonlySet<string> = new Set()): Promise<ChannelRow[]> {
    const open = (await runner.open()).filter(({ key }) => !except.has(key));
    const busy = new Set(open.flatMap(({ claims }) => claims.map(({ channelId }) => channelId)));
    const rows: ChannelRow[] = [];
    for await (const page of everyChannel(journal, chainId, "unclaimed")) rows.push(...page);
    return rows.filter(({ channelId }) => !busy.has(channelId));
  }

  function byAuthority(rows: readonly ChannelRow[]) {
    const groups = new Map<string, { readonly authority: Authority; readonly rows: ChannelRow[] }>();
    const withoutKey: ChannelRow[] = [];
    for (const row of rows) {
      const authority = authorityFor(row);
      if (authority === undefined) {
        withoutKey.push(row);
        continue;
      }
      const group = groups.get(authorityName(authority)) ?? { authority, rows: [] };
      groups.set(authorityName(authority), group);
      group.rows.push(row);
    }
    return { groups: [...groups.values()], withoutKey };
  }

  async function compose(authority: Authority, rows: readonly ChannelRow[], isAsked = false) {
    const { calls, bad } = await composeClaims(composePort(isAsked), authority, rows);
    await noteFaults(port, rows, bad, 0n);
    for (const { channelId, reason } of bad) {
      const message = `The voucher of channel ${channelId} cannot be claimed as it should: ${reason}.`;
      alerts.say({ kind: "bad-voucher", message, channelId }, channelId);
    }
    return { calls, bad };
  }

  async function sayDangers(nowSeconds: number): Promise<void> {
    for await (const page of everyChannel(journal, chainId, "withdrawing")) {
      for (const row of page) {
        const { withdrawal, channelId } = row;
        const unclaimed = unclaimedOf(row);
        if (withdrawal === undefined || unclaimed === 0n) continue;
        // If a claim costs more than it brings, not making it is no loss.
        if (lastPrices !== undefined && netOf(row, lastPrices) <= claimCost(1, lastPrices)) continue;
        const halfway = (withdrawal.initiatedAt + withdrawal.finalizeAfter) / 2;
        if (nowSeconds < halfway) continue;
        const end = new Date(withdrawal.finalizeAfter * 1000).toISOString();
        const message = `${unclaimed} atomic units of channel ${channelId} are unclaimed, and its payer can take them at ${end}.`;
        alerts.say({ kind: "claim-in-danger", message, channelId }, channelId);
      }
    }
  }

  function sayKeyMissing(row: ChannelRow): void {
    const { receiverAuthorizer: address, receiver } = row.record.channelConfig;
    const message = `No key here may claim for ${receiver}: give the keeper that of the receiver authorizer ${address}, or let it send from the receiver.`;
    alerts.say({ kind: "key-missing", message, address: address as Address }, address);
  }

  async function lookAtPurse(gasPriceWei: bigint): Promise<void> {
    const needWei = 2n * gasPriceWei * (CLAIM_GAS + CLAIM_ROW_GAS * BigInt(policy.maxRows));
    for (const { address, balanceWei } of await purses()) {
      if (balanceWei >= needWei) continue;
      const message = `${address} has ${balanceWei} wei, and a full claim may take ${needWei}: send it ether.`;
      alerts.say({ kind: "purse-low", message, address: address as Address }, address);
    }
  }

  const purses = () =>
    Promise.all(
      engine.accounts().map(async ({ address, paused }) => ({
        address,
        paused,
        balanceWei: await ask("a balance", client.getBalance({ address: address as Address })),
      })),
    );

  /** The channels asked for; if none are named, all that have something unclaimed and are in no open call. */
  async function askedRows(channelIds: readonly Hex[] | undefined): Promise<readonly ChannelRow[]> {
    if (channelIds === undefined) return unclaimedRows();
    const ids = channelIds.map((id) => id.toLowerCase() as Hex);
    const rows = await journal.channels(ids);
    const unknown = ids.find((id) => rows.get(id)?.chainId !== chainId);
    if (unknown === undefined) return [...rows.values()];
    throw new ChannelError(`The journal has no channel ${unknown} of this chain.`, {
      hint: "Ask for channels that a server keeps in this journal.",
    });
  }

  async function claim(channelIds: readonly Hex[] | undefined): Promise<ClaimReport> {
    if (channelIds !== undefined) await askedRows(channelIds);
    const wanted = channelIds === undefined ? undefined : new Set(channelIds.map((id) => id.toLowerCase()));
    const isWanted = ({ channelId }: { readonly channelId: Hex }) => wanted === undefined || wanted.has(channelId);
    // If another call of this journal claims a channel already, it is not claimed again, unless that call seems stuck.
    const before = await inTurn(async () => (await runner.open()).filter(({ claims }) => claims.some(isWanted)));
    const joined = await Promise.all(before.map((call) => runner.join(call, JOIN_MS)));
    const { bad, withoutKey, others, started } = await inTurn(async () => {
      const stuck = new Set(before.map(({ key }) => key));
      const others = (await runner.open()).filter(({ key, claims }) => !stuck.has(key) && claims.some(isWanted));
      const rows = channelIds === undefined ? await unclaimedRows(stuck) : await askedRows(channelIds);
      const busy = new Set(others.flatMap(({ claims }) => claims.map(({ channelId }) => channelId)));
      const { groups, withoutKey } = byAuthority(rows.filter(({ channelId }) => !busy.has(channelId)));
      const bad: BadVoucher[] = [];
      const calls: KeeperCall[] = [];
      for (const { authority, rows: own } of groups) {
        const composed = await compose(authority, own, true);
        bad.push(...composed.bad);
        calls.push(...composed.calls);
      }
      // Once the calls are stored, rounds know of them. So rounds may go on while this waits for the calls.
      return { bad, withoutKey, others, started: await Promise.all(calls.map(runner.begin)) };
    });
    // The others were stored a moment ago, so there is a keeper who looks after them.
    const under = [...others.map((call) => runner.join(call)), ...started.map((end) => end())];
    const results = [...joined, ...(await Promise.all(under))];
    const claims = results.flatMap((result) => {
      const transaction = transactionOf(result);
      return transaction === undefined ? [] : result.call.claims.map((one) => ({ ...one, transaction }));
    });
    // Two calls may have claimed the same, one of them for nothing.
    const claimed = [...new Map(claims.map((one) => [`${one.channelId} ${one.totalClaimed}`, one])).values()];
    const failed = results.filter(hasFailed).flatMap(({ call }) => call.claims.map(({ channelId }) => channelId));
    return {
      claimed: claimed.filter(isWanted),
      bad,
      withoutKey: withoutKey.map(({ channelId }) => channelId),
      // A failed call may have been followed by one that settled.
      failed: failed.filter((channelId) => {
        return isWanted({ channelId }) && !claimed.some((one) => one.channelId === channelId);
      }),
    };
  }

  async function sweep(wanted: readonly Address[] | undefined): Promise<SweepReport> {
    const asked = wanted?.map((address) => address.toLowerCase());
    const { receivers, started } = await inTurn(async () => {
      await lookAtReceivers(port);
      const receivers = (await journal.channelReceivers(chainId)).filter(({ receiver, unswept }) => {
        return unswept > 0n && (asked === undefined || asked.includes(receiver.toLowerCase()));
      });
      const open = await runner.open();
      const started = receivers.map(async (one) => {
        const there = open.find(({ sweeps }) => sweeps.some((other) => receiverName(other) === receiverName(one)));
        return there === undefined ? runner.begin(composeSweep(composePort(), one)) : () => runner.join(there, JOIN_MS);
      });
      return { receivers, started: await Promise.all(started) };
    });
    const results = await Promise.all(started.map((end) => end()));
    return {
      swept: receivers.flatMap(({ receiver, token, unswept: amount }, index) => {
        const transaction = transactionOf(results[index]);
        return transaction === undefined ? [] : [{ receiver, token, amount, transaction }];
      }),
      failed: receivers.flatMap(({ receiver, token }, index) =>
        hasFailed(results[index]) ? [{ receiver, token }] : [],
      ),
    };
  }

  const byHand: Pick<ChannelKeeper, "claim" | "sweep" | "refund"> = {
    claim,
    sweep,
    refund: (channelId, amount) =>
      inTurn(async () => {
        const [row] = await askedRows([channelId]);
        const authority = row === undefined ? undefined : authorityFor(row);
        if (row !== undefined && authority !== undefined) {
          return refundChannel({ ...port, ...composePort(true), runner }, authority, row, amount);
        }
        throw new ChannelError(`No key here may refund channel ${channelId}.`, {
          hint: "Give the key of its receiver authorizer, or send from its receiver.",
        });
      }),
  };

  /** Does what others ask for in the journal: they have no right to send from these keys while this keeper does. */
  let serve: (() => Promise<void>) | undefined;
  async function serveOnce(): Promise<void> {
    serve ??= await serveRequests({ journal, chainId, clock, senders: senders(), keeper: byHand });
    await serve();
  }

  const loop = (name: string, pauseMs: number, work: () => Promise<void>) =>
    startSteady({ name, clock, logger, signal: closing.signal, pauseMs: () => pauseMs, work });
  const loops =
    options.isWatching === false
      ? []
      : [
          loop("keeper", policy.roundMs, () => inTurn(round)),
          loop("keeper's requests", Math.min(REQUESTS_MS, policy.roundMs), serveOnce),
        ];

  return {
    round: () => inTurn(round),
    ...byHand,
    status: async () => {
      const channels = await readChannelStatus(journal, chainId, authorityFor);
      return {
        senders: await purses(),
        ...channels,
        openCalls: (await runner.open()).length,
        waiting: waitingList.waiting(),
      };
    },
    close: async () => {
      closing.abort();
      // Requests wait for their calls, so the calls' waiting has to end first.
      await runner.close();
      await Promise.all(loops.map(({ ended }) => ended));
      await inTurn(async () => undefined);
    },
  };
}

/** The transaction that did what a call should: its own, or that of another call that was faster. */
function transactionOf(result: CallResult | undefined): Hex | undefined {
  return minedIn(result?.row) ?? result?.elsewhere?.transaction;
}

/** Whether something is left to do that a call should have done. */
function hasFailed(result: CallResult | undefined): boolean {
  return minedIn(result?.row) === undefined && result?.elsewhere === undefined;
}

function receiverName({ receiver, token }: { readonly receiver: string; readonly token: string }): string {
  return `${receiver} ${token}`.toLowerCase();
}
