import type { PaymentRequirements, SettleResponse } from "@x402/core/types";
import { keccak256 } from "viem";
import { depositCall } from "../../channels/calls.ts";
import type { PaymentRow } from "../../journal/ports/payments.ts";
import { isDecided } from "../../journal/ports/payments.ts";
import { lastTransaction } from "../../settlement/outcome/lastTransaction.ts";
import { bringerOf, CallerGoneError, createTurns, mayBringAnew, type TurnedAway } from "../callers/bringers.ts";
import { NOBODY } from "../callers/caller.ts";
import { REASON } from "../wire/reasons.ts";
import { type Asked, failed, stateAfter, stateExtra, succeeded, undone } from "./answers.ts";
import type { ChannelSettlePort, Submitting } from "./port.ts";
import { CHANNEL_REASON } from "./reasons.ts";
import { awaitCall, type CallOutcome, findCall, submitCall, withTicket } from "./submit.ts";
import { verifyChannelPayment } from "./verify.ts";
import type { ChannelRequirements, DepositPayload, VerifyPayload } from "./wire.ts";

const REASONS = { simulation: CHANNEL_REASON.depositSimulation, failed: CHANNEL_REASON.depositFailed };

/**
 * Settles deposits, with at most one success for each. The success is taken from the journal before it is told, and only the
 * caller who brought the deposit is told ({@link createTurns}). Everybody else is told that it is a duplicate.
 */
export function createDepositSettler(port: ChannelSettlePort) {
  const turns = createTurns(port.clock, port.policy.holdMs);

  return async (
    payload: DepositPayload,
    required: ChannelRequirements,
    extra: PaymentRequirements["extra"],
    asked: Asked,
    options: Submitting,
  ): Promise<SettleResponse> => {
    const bringer = bringerOf(options.caller ?? NOBODY, options.holder);
    const call = depositCall({ ...payload, channelId: payload.voucher.channelId });
    const name = `deposit:${keccak256(call.data)}`;
    const { key, row: known } = await findCall(port, name);
    const turn = turns.enter(name, bringer, known);
    if (turn === "busy" || turn === "stranger") return turnAway(turn, known);
    let isFinal = true;
    return turn.run(settle, () => isFinal);

    async function settle(noteStored: () => void): Promise<SettleResponse> {
      const isNew = known === undefined || known.state === "rejected";
      if (isNew) {
        const refusal = await refusalOf(payload);
        if (refusal !== undefined) return refusal;
      }
      options.seat?.waits();
      const outcome = await (known === undefined ? submit(noteStored) : again(known));
      isFinal = outcome.status !== "pending";
      if (outcome.status !== "done") return undone(asked, outcome, REASONS);
      // The call of an earlier request does not contain this one's voucher, so the voucher is checked now.
      const refusal = isNew ? undefined : await refusalOf({ ...payload, type: "voucher" }, outcome);
      return refusal ?? answer(outcome);
    }

    async function refusalOf(
      presented: VerifyPayload,
      outcome?: CallOutcome & { status: "done" },
    ): Promise<SettleResponse | undefined> {
      const verdict = await verifyChannelPayment(port, presented, required, extra, options.caller);
      if (verdict.isValid) return undefined;
      const reason = verdict.invalidReason ?? REASON.settleError;
      return failed(asked, reason, verdict.invalidMessage ?? reason, outcome);
    }

    async function turnAway(why: TurnedAway, row: PaymentRow | undefined): Promise<SettleResponse> {
      const message =
        why === "busy" || row === undefined || !isDecided(row)
          ? "this deposit is being settled for another caller"
          : "its success is told once, to the caller who brought it";
      const transaction = row === undefined ? undefined : await lastTransaction(port.journal, row);
      return failed(asked, REASON.duplicate, message, { transaction });
    }

    function submit(noteStored: () => void): Promise<CallOutcome> {
      return submitCall(port, call, {
        key,
        value: payload.amount,
        deadlineSeconds: payload.authorization.validBefore,
        source: options.source,
        signal: options.signal,
        bringer: bringer.merchant,
        noteStored,
        admit: options.admit,
        payerOpenCap: port.admission.openCapOf(options.caller ?? NOBODY),
      });
    }

    /** Tries a refused deposit again. The obstacle has passed, or else verification would have failed. */
    async function again(row: PaymentRow): Promise<CallOutcome> {
      if (!mayBringAnew(bringer, row)) return awaitCall(port, row, options.signal);
      return withTicket(options.admit, async () => {
        const isQueued = await port.engine.retry(row.id, { bringer: bringer.merchant ?? null });
        const now = isQueued ? ((await port.journal.payment(row.id)) ?? row) : row;
        return awaitCall(port, now, options.signal);
      });
    }

    async function answer(outcome: CallOutcome & { status: "done" }): Promise<SettleResponse> {
      const { channelId } = payload.voucher;
      const state = await stateAfter(port, channelId, outcome.blockNumber);
      if (options.signal?.aborted === true) throw new CallerGoneError("the caller is gone");
      // From here on nobody else gets the success, whether or not this answer arrives.
      const by = { bringer: bringer.merchant, again: bringer.again };
      if (!(await port.journal.consume(outcome.row.id, port.clock.now(), by))) {
        return failed(asked, REASON.duplicate, "its success was told before", outcome);
      }
      return succeeded(asked, outcome.transaction, payload.amount.toString(), stateExtra(channelId, state));
    }
  };
}
