import type { SettleResponse } from "@x402/core/types";
import { type Hex, isAddressEqual } from "viem";
import { readChannels } from "../../chain/channels.ts";
import { type BadRow, findBadRows } from "../../chain/claims.ts";
import { claimCall } from "../../channels/calls.ts";
import { channelIdOf, claimBatchTypedData, type VoucherClaim } from "../../channels/index.ts";
import { type Asked, failed, succeeded, undone } from "./answers.ts";
import { CHANNEL_REASON } from "./reasons.ts";
import type { ChannelSettlePort, Submitting } from "./settle.ts";
import type { ClaimPayload } from "./wire.ts";

const REASONS = { simulation: CHANNEL_REASON.claimSimulation, failed: CHANNEL_REASON.claimFailed };

/** The receiver authorizer's signature over these rows: ours, if it is our key. */
export type ClaimSigner = { readonly sign: (rows: readonly VoucherClaim[]) => Promise<Hex> };

/** What is wrong with letting our key sign for these rows; the signer if nothing is. */
export function claimSigner(
  { authority, client }: Pick<ChannelSettlePort, "authority" | "client">,
  rows: readonly VoucherClaim[],
): ClaimSigner | { readonly reason: string; readonly message: string } {
  if (authority === undefined) {
    return {
      reason: CHANNEL_REASON.authorizerMissing,
      message: "sign the claim: this facilitator has no key for that",
    };
  }
  const ours = rows.every(({ voucher }) => isAddressEqual(voucher.channel.receiverAuthorizer, authority.address));
  if (!ours) {
    const message = `only channels with the receiver authorizer ${authority.address} are signed for here`;
    return { reason: CHANNEL_REASON.authorizerMismatch, message };
  }
  return { sign: (some) => authority.signTypedData(claimBatchTypedData(client.chain.id, some)) };
}

/**
 * Claims vouchers. Rows that would make the whole claim fail are found before anything is sent. Where the receiver authorizer
 * is our key they are left out and reported, and the rest is claimed; a server that signed the batch itself learns which
 * they are, and signs it again without them.
 */
export async function settleClaim(
  port: ChannelSettlePort,
  { claims, claimAuthorizerSignature }: ClaimPayload,
  asked: Asked,
  options: Submitting,
): Promise<SettleResponse> {
  const { client } = port;
  const signer = claimAuthorizerSignature === undefined ? claimSigner(port, claims) : undefined;
  if (signer !== undefined && "reason" in signer) return failed(asked, signer.reason, signer.message);

  const bad = await findBadRows(client, claims, { signerGas: port.policy.maxSignerGas });
  const rejected = bad.map(({ index, reason }) => ({ index, channelId: idOf(claims[index]), reason }));
  const report = (claimed: number) => ({ claimed, ...(rejected.length === 0 ? {} : { rejected }) });
  const good = claims.filter((_, index) => !bad.some((one) => one.index === index));
  if (good.length === 0 || (bad.length > 0 && signer === undefined)) {
    return failed(asked, CHANNEL_REASON.claimSimulation, describe(bad), { extra: report(0) });
  }
  const { effective, amount } = await findEffect(good);
  // Claimed before: the same again changes nothing, and costs gas.
  if (effective === undefined) return succeeded(asked, "", "", report(0));

  const signature = claimAuthorizerSignature ?? (await signer?.sign(good)) ?? "0x";
  const outcome = await port.submitOnce(claimCall(good, signature, effective), options, amount);
  if (outcome.status === "done") return succeeded(asked, outcome.transaction, "", report(good.length));
  // Another claim may have done the same in the meantime, so that this one did nothing.
  if (outcome.status === "refused" && (await findEffect(good)).effective === undefined) {
    return succeeded(asked, outcome.transaction ?? "", "", report(good.length));
  }
  const answer = undone(asked, outcome, REASONS);
  return { ...answer, extra: report(0) };

  function idOf(row: VoucherClaim | undefined): Hex {
    return row === undefined ? "0x" : channelIdOf(client.chain.id, row.voucher.channel);
  }

  /** The first channel that is not claimed as far as its row says, and what all rows together claim anew. */
  async function findEffect(rows: readonly VoucherClaim[]) {
    const targets = rows.map((row) => ({ channelId: idOf(row), totalClaimed: row.totalClaimed }));
    const states = await readChannels(
      client,
      targets.map(({ channelId }) => channelId),
    );
    const fresh = targets.map(({ totalClaimed }, index) => totalClaimed - (states[index]?.totalClaimed ?? 0n));
    // Of several rows of one channel only the largest adds anything in the end.
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
