import type { Network, PaymentPayload, PaymentRequirements, SettleResponse } from "@x402/core/types";
import { bytesToHex, type Hex, keccak256 } from "viem";
import { secondsNow } from "../../clock.ts";
import { named } from "../callers/bringers.ts";
import { NOBODY } from "../callers/caller.ts";
import { networkEcho } from "../wire/body.ts";
import { type Asked, failed } from "./answers.ts";
import { askOfSettle } from "./ask.ts";
import { settleClaim } from "./claim.ts";
import { createDepositSettler } from "./deposit.ts";
import type { ChannelPort, ChannelSettleOptions, ChannelSettlePort, Submitting } from "./port.ts";
import { settleRefund } from "./refund.ts";
import { type CallOutcome, submitCall } from "./submit.ts";
import { settleSweep } from "./sweep.ts";
import { type ChannelRequirements, readForSettle, type SettlePayload } from "./wire.ts";

/** How long a repeatable call may wait to be sent, in seconds. */
const PATIENCE_SECONDS = 600n;
/** The prefix of the note that keeps what was told to a holder. */
const TOLD = "told:";

/** Settles in the scheme batch-settlement: deposits, claims, sweeps and refunds, each a call through the engine. */
export function createChannelSettler(port: ChannelPort) {
  const underWay = new Map<Hex, Promise<CallOutcome>>();
  const submitOnce: ChannelSettlePort["submitOnce"] = (call, { source, seat, admit }, amount) => {
    seat?.waits();
    const same = underWay.get(call.data);
    if (same !== undefined) return same;
    const deadlineSeconds = secondsNow(port.clock) + PATIENCE_SECONDS;
    const random = bytesToHex(crypto.getRandomValues(new Uint8Array(16)));
    const outcome = submitCall(port, call, {
      key: `${keccak256(call.data)}:${random}`,
      deadlineSeconds,
      source,
      value: amount,
      admit: () => admit(amount),
    });
    underWay.set(call.data, outcome);
    const forget = (): void => void underWay.delete(call.data);
    outcome.then(forget, forget);
    return outcome;
  };
  const { admission, journal } = port;
  const settlePort: ChannelSettlePort = { ...port, submitOnce };
  const settleDeposit = createDepositSettler(settlePort);

  return async (
    payment: PaymentPayload,
    requirements: PaymentRequirements,
    given: ChannelSettleOptions = {},
  ): Promise<SettleResponse> => {
    const options = { ...given, caller: named(given.caller, payment, requirements) };
    const network = networkEcho(payment) as Network;
    const read = readForSettle(payment, requirements);
    if (!read.ok) return failed({ network }, read.reason, read.problem);
    const { payload, required } = read;
    const asked: Asked = { network, payer: "channelConfig" in payload ? payload.channelConfig.payer : undefined };
    const { caller = NOBODY } = options;
    const ask = askOfSettle(payload, required);
    const holder = await admission.hold(ask, caller);
    const told = holder === undefined ? undefined : await journal.cursor(`${TOLD}${holder}`);
    // The cast is safe: the note was written below.
    if (told !== undefined) return JSON.parse(told) as SettleResponse;
    // Amount and deadline are checked only for what is new here.
    const fault = await admission.fault({ ...ask, amount: undefined, deadlineSeconds: undefined }, caller);
    if (fault !== undefined) return failed(asked, fault.reason, fault.message);
    const admit: Submitting["admit"] = (amount) => admission.admit({ ...ask, amount: amount ?? ask.amount }, caller);
    const response = await carryOut(payload, required, requirements, asked, { ...options, admit, holder });
    // The success of a deposit is consumed in the journal. Other successes are noted as they were told.
    if (holder === undefined || !response.success || payload.type === "deposit") return response;
    return JSON.parse(await journal.setOnce(`${TOLD}${holder}`, JSON.stringify(response))) as SettleResponse;
  };

  function carryOut(
    payload: SettlePayload,
    required: ChannelRequirements,
    requirements: PaymentRequirements,
    asked: Asked,
    options: Submitting,
  ): Promise<SettleResponse> {
    switch (payload.type) {
      case "deposit":
        return settleDeposit(payload, required, requirements.extra, asked, options);
      case "claim":
        return settleClaim(settlePort, payload, asked, options);
      case "settle":
        return settleSweep(settlePort, payload, asked, options);
      case "refund":
        return settleRefund(settlePort, payload, asked, options);
    }
  }
}
