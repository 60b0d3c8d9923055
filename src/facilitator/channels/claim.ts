import type { SettleResponse } from "@x402/core/types";
import type { Hex } from "viem";
import { readChannels } from "../../chain/facts/channels.ts";
import { type BadRow, findBadRows } from "../../chain/sending/claims.ts";
import { claimCall } from "../../channels/calls.ts";
import { channelIdOf, claimBatchTypedData, type VoucherClaim } from "../../channels/index.ts";
import { NOBODY } from "../callers/caller.ts";
import { type Asked, failed, succeeded, undone } from "./answers.ts";
import { authorityFor, findOvercharged } from "./authority.ts";
import type { ChannelSettlePort, Submitting } from "./port.ts";
import { CHANNEL_REASON } from "./reasons.ts";
import type { ClaimPayload } from "./wire.ts";

const REASONS = { simulation: CHANNEL_REASON.claimSimulation, failed: CHANNEL_REASON.claimFailed };

/**
 * Claims vouchers. Rows that would make the whole claim fail are found before anything is sent. If the facilitator's key is the
 * receiver authorizer, they are left out and reported, and the rest is claimed. A server that signed the batch itself is told
 * which they are, so that it can sign again without them.
 */
export async function settleClaim(
  port: ChannelSettlePort,
  { claims, claimAuthorizerSignature }: ClaimPayload,
  asked: Asked,
  options: Submitting,
): Promise<SettleResponse> {
  const { client, journal } = port;
  const isOurs = claimAuthorizerSignature === undefined;
  const channels = claims.map(({ voucher }) => voucher.channel);
  const signer = isOurs ? authorityFor(port, channels, options.caller ?? NOBODY) : undefined;
  if (signer !== undefined && "reason" in signer) return failed(asked, signer.reason, signer.message);

  const overcharged = isOurs ? await findOvercharged(journal, client.chain.id, claims) : [];
  const honest = claims.flatMap((_, index) => (overcharged.some((one) => one.index === index) ? [] : [index]));
  const failing = await findBadRows(
    client,
    honest.map((index) => claims[index]!),
    { signerGas: port.policy.maxSignerGas },
  );
  const bad = [...overcharged, ...failing.map(({ index, reason }) => ({ index: honest[index]!, reason }))].sort(
    (a, b) => a.index - b.index,
  );
  const rejected = bad.map(({ index, reason }) => ({ index, channelId: idOf(claims[index]), reason }));
  const report = (claimed: number) => ({ claimed, ...(rejected.length === 0 ? {} : { rejected }) });
  const good = claims.filter((_, index) => !bad.some((one) => one.index === index));
  if (good.length === 0 || (bad.length > 0 && !isOurs)) {
    return failed(asked, CHANNEL_REASON.claimSimulation, describe(bad), { extra: report(0) });
  }
  const { effective, amount } = await findEffect(good);
  // All of it was claimed before. Claiming it again would change nothing and cost gas.
  if (effective === undefined) return succeeded(asked, "", "", report(0));

  const signature =
    claimAuthorizerSignature ?? (await signer?.signTypedData(claimBatchTypedData(client.chain.id, good))) ?? "0x";
  const outcome = await port.submitOnce(claimCall(good, signature, effective), options, amount);
  if (outcome.status === "done") return succeeded(asked, outcome.transaction, "", report(good.length));
  // Another claim may have done the same in the meantime, so that this one had no effect.
  if (outcome.status === "refused" && (await findEffect(good)).effective === undefined) {
    return succeeded(asked, outcome.transaction ?? "", "", report(good.length));
  }
  const answer = undone(asked, outcome, REASONS);
  return { ...answer, extra: report(0) };

  function idOf(row: VoucherClaim | undefined): Hex {
    return row === undefined ? "0x" : channelIdOf(client.chain.id, row.voucher.channel);
  }

  /** The first channel whose row claims something new, and the amount that all rows together claim. */
  async function findEffect(rows: readonly VoucherClaim[]) {
    const targets = rows.map((row) => ({ channelId: idOf(row), totalClaimed: row.totalClaimed }));
    const states = await readChannels(
      client,
      targets.map(({ channelId }) => channelId),
    );
    const fresh = targets.map(({ totalClaimed }, index) => totalClaimed - (states[index]?.totalClaimed ?? 0n));
    // If a channel has several rows, only the largest counts in the end.
    const most = new Map<Hex, bigint>();
    for (const [index, { channelId }] of targets.entries()) {
      const one = fresh[index] ?? 0n;
      if (one > (most.get(channelId) ?? 0n)) most.set(channelId, one);
    }
    const amount = [...most.values()].reduce((sum, one) => sum + one, 0n);
    return { effective: targets.find((_, index) => (fresh[index] ?? 0n) > 0n), amount };
  }
}

function describe(bad: readonly BadRow[]): string {
  const shown = bad.slice(0, 5).map(({ index, reason }) => `row ${index}: ${reason}`);
  return bad.length > 5 ? `${shown.join(", ")} and ${bad.length - 5} more` : shown.join(", ");
}
