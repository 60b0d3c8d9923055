import type { SettleResponse } from "@x402/core/types";
import { isAddressEqual } from "viem";
import { readUnswept } from "../../chain/facts/channels.ts";
import { sweepCall } from "../../channels/calls.ts";
import { type Asked, channelEvents, failed, succeeded, undone } from "./answers.ts";
import type { ChannelSettlePort, Submitting } from "./port.ts";
import { CHANNEL_REASON } from "./reasons.ts";
import type { SweepPayload } from "./wire.ts";

const REASONS = { simulation: CHANNEL_REASON.settleSimulation, failed: CHANNEL_REASON.settleFailed };

/** Sends a receiver the amount that was claimed for it. */
export async function settleSweep(
  port: ChannelSettlePort,
  payload: SweepPayload,
  asked: Asked,
  options: Submitting,
): Promise<SettleResponse> {
  const { receiver, token } = payload;
  const nothing = () => failed(asked, CHANNEL_REASON.nothingToSettle, "nothing to settle for receiver and token");
  const unswept = async () => (await readUnswept(port.client, [{ receiver, token }]))[0] ?? 0n;
  const amount = await unswept();
  if (amount === 0n) return nothing();
  const outcome = await port.submitOnce(sweepCall(receiver, token), options, amount);
  if (outcome.status === "done") {
    const settled = channelEvents(outcome).find(({ eventName, args }) => {
      return eventName === "Settled" && isAddressEqual(args.receiver, receiver) && isAddressEqual(args.token, token);
    });
    const swept = settled?.eventName === "Settled" ? settled.args.amount : 0n;
    return succeeded(asked, outcome.transaction, swept.toString());
  }
  // Somebody else swept in the meantime.
  if (outcome.status === "refused" && (await unswept()) === 0n) return nothing();
  return undone(asked, outcome, REASONS);
}
