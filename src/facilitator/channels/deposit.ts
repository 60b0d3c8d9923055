import type { PaymentRequirements, SettleResponse } from "@x402/core/types";
import { keccak256 } from "viem";
import { depositCall } from "../../channels/calls.ts";
import type { PaymentRow } from "../../settlement/store/types.ts";
import { REASON } from "../reasons.ts";
import { type Asked, failed, stateAfter, stateExtra, succeeded, undone } from "./answers.ts";
import { CHANNEL_REASON } from "./reasons.ts";
import type { ChannelSettleOptions, ChannelSettlePort } from "./settle.ts";
import { awaitCall, type CallOutcome, findCall, submitCall } from "./submit.ts";
import { verifyChannelPayment } from "./verify.ts";
import type { ChannelRequirements, DepositPayload } from "./wire.ts";

const REASONS = { simulation: CHANNEL_REASON.depositSimulation, failed: CHANNEL_REASON.depositFailed };

/**
 * Settles deposits, with at most one success for each: it is taken from the journal before it is told, and while one caller
 * waits for a deposit, everybody else who sends it hears that it is a duplicate.
 */
export function createDepositSettler(port: ChannelSettlePort) {
  const waiting = new Set<string>();

  return async (
    payload: DepositPayload,
    required: ChannelRequirements,
    extra: PaymentRequirements["extra"],
    asked: Asked,
    options: ChannelSettleOptions,
  ): Promise<SettleResponse> => {
    const call = depositCall({ ...payload, channelId: payload.voucher.channelId });
    const name = `deposit:${keccak256(call.data)}`;
    if (waiting.has(name)) return failed(asked, REASON.duplicate, "this deposit is being settled for another caller");
    waiting.add(name);
    try {
      const { key, row: known } = await findCall(port, name);
      const isNew = known === undefined || known.state === "rejected";
      if (isNew) {
        const verdict = await verifyChannelPayment(port, payload, required, extra);
        if (!verdict.isValid) {
          const reason = verdict.invalidReason ?? REASON.settleError;
          return failed(asked, reason, verdict.invalidMessage ?? reason);
        }
      }
      const outcome = await (known === undefined ? submit(key) : again(known));
      if (outcome.status !== "done") return undone(asked, outcome, REASONS);
      // What was sent for an earlier request is bound to this one's terms now: its voucher is not part of the call.
      const verdict = isNew
        ? undefined
        : await verifyChannelPayment(port, { ...payload, type: "voucher" }, required, extra);
      if (verdict?.isValid === false) {
        const reason = verdict.invalidReason ?? REASON.settleError;
        return failed(asked, reason, verdict.invalidMessage ?? reason, outcome);
      }
      return answer(outcome);
    } finally {
      waiting.delete(name);
    }

    function submit(key: string): Promise<CallOutcome> {
      const deadlineSeconds = payload.authorization.validBefore;
      return submitCall(port, call, { key, deadlineSeconds, source: options.source, signal: options.signal });
    }

    /** One that was refused is tried again: what was in its way has passed, or verification would have failed. */
    async function again(row: PaymentRow): Promise<CallOutcome> {
      const isQueued = row.state === "rejected" && (await port.engine.retry(row.id));
      const now = isQueued ? ((await port.store.payment(row.id)) ?? row) : row;
      return awaitCall(port, now, options.signal);
    }

    async function answer(outcome: CallOutcome & { status: "done" }): Promise<SettleResponse> {
      const { channelId } = payload.voucher;
      const state = await stateAfter(port, channelId, outcome.blockNumber);
      // From here on nobody else gets it, whether or not this answer arrives.
      if (!(await port.store.consume(outcome.row.id, port.clock.now()))) {
        return failed(asked, REASON.duplicate, "its success was told before", outcome);
      }
      return succeeded(asked, outcome.transaction, payload.amount.toString(), stateExtra(channelId, state));
    }
  };
}
