import { type Address, type Hex, isAddressEqual } from "viem";
import { inCompany } from "../../async/company.ts";
import { authorizationId, termsDigest } from "../../authorization/identity.ts";
import { isErc6492, normaliseSignature, unwrapErc6492 } from "../../authorization/signature.ts";
import type { SignedAuthorization } from "../../authorization/types.ts";
import { hasCode } from "../../chain/facts/facts.ts";
import type { Clock } from "../../clock.ts";
import { type SettlementLevel, transactionOf } from "../../journal/ports/evidence.ts";
import type { Journal } from "../../journal/ports/journal.ts";
import type { PaymentRow } from "../../journal/ports/payments.ts";
import { isDecided, isPreconfirmed } from "../../journal/ports/payments.ts";
import type { Logger } from "../../logger.ts";
import { outcomeWithin, takeBack } from "../../settlement/engine/outcomeWithin.ts";
import type { SettlementEngine } from "../../settlement/engine/types.ts";
import type { Admission } from "../../settlement/intake/admit.ts";
import { lastTransaction } from "../../settlement/outcome/lastTransaction.ts";
import type { Seat } from "../admission/capacity.ts";
import { askOf } from "../admission/payment.ts";
import type { Ask, Ticket } from "../admission/types.ts";
import {
  type Bringer,
  bringerOf,
  CallerGoneError,
  createTurns,
  isBringer,
  mayBringAnew,
  mayHear,
  type TurnedAway,
} from "../callers/bringers.ts";
import { type Caller, NOBODY } from "../callers/caller.ts";
import { type ExactRequest, toAuthorization } from "../wire/body.ts";
import { REASON, reasonOfRow } from "../wire/reasons.ts";
import type { SignatureChecks } from "./checks.ts";
import { deployWallet } from "./deploy.ts";
import { type BatchPlace, createPlaces } from "./place.ts";
import { explained, refuseBinding, type VerifyPort, verifyExact, verifyFunded } from "./verify.ts";

/** The answer of /settle about a payment, in the words of x402 v2. */
export type Settlement =
  | {
      readonly status: "settled";
      readonly transaction: Hex;
      /** What the answer stands on: the sequencer's word, or a block and how safe it is. */
      readonly level: SettlementLevel;
      /** Its place in its batch; undefined if somebody else's transaction settled it. */
      readonly place: BatchPlace | undefined;
      readonly row: PaymentRow;
    }
  /** Nothing final is known yet. `transaction` is the one that it was sent in, if it was. */
  | { readonly status: "pending"; readonly transaction: Hex | undefined }
  | {
      readonly status: "failed";
      readonly reason: string;
      readonly message?: string | undefined;
      readonly transaction?: Hex;
    };

/** What settling needs from an engine. */
export type SettleEngine = Pick<SettlementEngine, "acceptOne" | "outcome" | "cancel" | "retry" | "refusal"> &
  Pick<SettlementEngine, "covers" | "beyondCaps" | "submitCall" | "spareMs" | "roundOver">;

export type SettlePort = VerifyPort & {
  readonly engine: SettleEngine;
  readonly journal: Pick<Journal, "variants" | "payment" | "consume" | "batch">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly checks: SignatureChecks;
  /** Aborts when waiting callers must be answered now, because the facilitator stops. */
  readonly stopping: AbortSignal;
};

export type SettleOptions = {
  /** Aborts when the caller is gone. Then its turn is held, as after an answer that is not final. */
  readonly signal?: AbortSignal | undefined;
  /** Kept with the payment, for reports. */
  readonly source?: string | undefined;
  /** The caller; if it is left out, nothing is known about them. */
  readonly caller?: Caller | undefined;
  /** The payer's own id for the payment. */
  readonly identifier?: string | undefined;
  /** The place of the request in the facilitator's capacity. */
  readonly seat?: Pick<Seat, "waits" | "keep"> | undefined;
  /** Called with the payment's number in the journal, once it has one. */
  readonly onPayment?: ((id: number) => void) | undefined;
};

/** The request that an answer is for. */
type Asking = {
  readonly startedMs: number;
  readonly signal: AbortSignal | undefined;
  readonly source: string | undefined;
  readonly caller: Caller;
  readonly bringer: Bringer;
  readonly seat: SettleOptions["seat"];
  readonly onPayment: SettleOptions["onPayment"];
};

/**
 * Payments that come within this time share the reads of their verification and the write that stores them, …
 */
const COMPANY_MS = 100;
/** … unless it is a larger part of the time until they are sent. */
const COMPANY_PART = 0.25;
/** So many have company enough. */
const ENOUGH = 16;

/** A caller who waits for a payment. `isShared` says whether another request of the same bringer waits for it as well. */
type Waiting = Asking & { readonly isShared: () => boolean };

/** The journal's row of a payment, and whether it is new. */
type Accepted = Admission & { readonly status: "accepted" };

export type Settler = (request: ExactRequest, options?: SettleOptions) => Promise<Settlement>;

/**
 * Settles payments through the engine, with at most one success for each. The success is taken from the journal before it is
 * told, and only the caller who brought the payment is told ({@link createTurns}). Everybody else is told the payment's state.
 */
export function createSettler(port: SettlePort): Settler {
  const { engine, journal, client, clock, policy, checks, admission } = port;
  const placeOf = createPlaces(journal);
  const turns = createTurns(clock, policy.holdMs);
  const company = inCompany(() => Math.min(COMPANY_MS, COMPANY_PART * engine.spareMs()), ENOUGH);
  const isAlone = (payee: Address): boolean => policy.unbatchedPayees.some((one) => isAddressEqual(one, payee));

  return async (request, { signal, source, caller = NOBODY, identifier, seat, onPayment } = {}) => {
    const startedMs = clock.now();
    await company();
    // It would be too late for the round that is under way, and make those late that are in it.
    await engine.roundOver();
    const ask = askOf(request, client.chain.id, identifier);
    const bringer = bringerOf(caller, await admission.hold(ask, caller));
    const asking: Asking = { startedMs, signal, source, caller, bringer, seat, onPayment };
    const signed = toAuthorization(request, client.chain.id);
    const identity = authorizationId(signed);
    const digest = termsDigest(signed);
    const known = (await journal.variants(identity)).find((row) => row.digest === digest);
    if (known !== undefined) onPayment?.(known.id);
    if (known === undefined) {
      const isWrapped = isErc6492(signed.signature);
      // If a wallet has to be deployed first, the payment is verified again.
      const recalled = isWrapped ? undefined : checks.recall(request);
      const verdict = recalled ?? (await verifyExact(port, request, { simulate: isWrapped, caller }));
      if (!verdict.isValid) {
        const { reason, message } = await explained(port, request, verdict);
        return failed(reason, message);
      }
    } else {
      const refusal = refuseBinding(request, client.chain.id);
      if (refusal !== undefined) return failed(refusal.reason, refusal.message);
      if (!(await isSigned(known, signed)))
        return failed(REASON.signature, "the signature is not the one that was accepted");
    }
    const turn = turns.enter(`${identity}/${digest}`, bringer, known);
    if (turn === "busy" || turn === "stranger") return turnAway(turn, known);
    return turn.run(
      (noteStored, isShared) => settleOne(ask, request, signed, { ...asking, isShared }, known, noteStored),
      (settlement) => settlement.status !== "pending",
    );
  };

  /** Accepts a payment that is new here or brought again, and waits for its outcome. */
  async function settleOne(
    ask: Ask,
    request: ExactRequest,
    signed: SignedAuthorization,
    asking: Waiting,
    known: PaymentRow | undefined,
    noteStored: () => void,
  ): Promise<Settlement> {
    if (known !== undefined && !(await isBroughtAnew(known, request, asking))) {
      noteStored();
      return conclude(known, asking);
    }
    // Nobody waits any more, and nothing is stored yet.
    if (asking.signal?.aborted === true) throw new CallerGoneError("the caller is gone");
    const ticket = await admission.admit(ask, asking.caller);
    if ("reason" in ticket) return failed(ticket.reason, ticket.message);
    const row = await (known === undefined
      ? bring(ticket, request, signed, asking)
      : bringAnew(ticket, known, asking.bringer));
    if (!("id" in row)) return row;
    asking.onPayment?.(row.id);
    noteStored();
    let settlement: Settlement | undefined;
    try {
      settlement = await conclude(row, asking);
      return settlement;
    } finally {
      const mayBeUnsent = settlement === undefined || settlement.status === "failed";
      if (mayBeUnsent && (await isNeverSent(row.id))) await ticket.unsent();
    }
  }

  /** Accepts a payment that is new here, for its bringer. */
  async function bring(
    ticket: Ticket,
    request: ExactRequest,
    signed: SignedAuthorization,
    asking: Asking,
  ): Promise<PaymentRow | Settlement> {
    const accepted = await acceptWith(ticket, request, signed, asking);
    if (!("isNew" in accepted)) return accepted;
    const { row, isNew } = accepted;
    if (isNew || isBringer(asking.bringer, row)) return row;
    // Another process was faster.
    await ticket.unsent();
    return turnAway("stranger", row);
  }

  /** Does {@link accept}, and gives back what was counted if the payment is not accepted. */
  async function acceptWith(
    ticket: Ticket,
    request: ExactRequest,
    signed: SignedAuthorization,
    asking: Asking,
  ): Promise<Accepted | Settlement> {
    let isAccepted = false;
    try {
      const accepted = await accept(request, signed, asking);
      isAccepted = "isNew" in accepted;
      return accepted;
    } finally {
      if (!isAccepted) await ticket.release();
    }
  }

  /** Stores a payment that passed verification, or says why not. */
  async function accept(
    request: ExactRequest,
    signed: SignedAuthorization,
    { source, caller, bringer, startedMs }: Asking,
  ): Promise<Accepted | Settlement> {
    const wrapper = unwrapErc6492(signed.signature);
    if (wrapper !== undefined && !(await hasCode(client, signed.from))) {
      const isDeployed = await deployWallet(port, signed, wrapper, remaining(startedMs));
      if (!isDeployed) return failed(REASON.deploymentFailed, "the payer's wallet could not be deployed");
    }
    const admission = await engine.acceptOne({
      authorization: signed,
      source,
      bringer: bringer.merchant,
      alone: caller.merchant?.unbatched === true || isAlone(signed.to),
      payerOpenCap: port.admission.openCapOf(caller),
      recoveredUnder: request.required.domain,
    });
    return admission.status === "refused" ? refused(request, admission) : admission;
  }

  /** The answer for a payment that the engine refused. For most of them, the official simulation knows the right reason. */
  async function refused(
    request: ExactRequest,
    { reason, message }: Admission & { status: "refused" },
  ): Promise<Settlement> {
    if (reason === "already-used") return failed(REASON.nonceUsed, message);
    if (reason === "expired") return failed(REASON.validBefore, message);
    if (reason === "payer-cap") return failed(REASON.invalidState, message);
    if (reason === "underfunded") return failed(REASON.insufficientBalance, message);
    if (reason === "undeployed-wallet") return failed(REASON.factoryNotAllowed, message);
    const verdict = await verifyExact(port, request, { simulate: true });
    if (!verdict.isValid) return failed(verdict.reason, message);
    return failed(reason === "missing-token" ? REASON.notSupported : REASON.signature, message);
  }

  /**
   * Whether a payment moved nothing, this caller may bring it again, and it would settle now. The payer may have received money
   * since then, or the first caller left before it was sent.
   */
  async function isBroughtAnew(row: PaymentRow, request: ExactRequest, { bringer, caller }: Asking): Promise<boolean> {
    return mayBringAnew(bringer, row) && (await verifyFunded(port, request, caller)).isValid;
  }

  async function bringAnew(ticket: Ticket, row: PaymentRow, bringer: Bringer): Promise<PaymentRow | Settlement> {
    const isQueued = await engine.retry(row.id, { bringer: bringer.merchant ?? null });
    const now = (await journal.payment(row.id)) ?? row;
    if (isQueued) return now;
    // Another process was faster.
    await ticket.unsent();
    return mayHear(bringer, now) ? now : turnAway("stranger", now);
  }

  /** The answer for a caller who did not bring the payment, or whose other request still waits for it. */
  async function turnAway(why: TurnedAway, row: PaymentRow | undefined): Promise<Settlement> {
    if (row === undefined) return failed(REASON.duplicate, "this payment is being settled for another caller");
    const isTold = row.consumedAtMs !== undefined;
    if (why === "busy" || (!isDecided(row) && !isTold)) {
      return failed(
        REASON.duplicate,
        "this payment is being settled for another caller",
        await lastTransaction(journal, row),
      );
    }
    if (isTold || row.state === "settled" || row.state === "settled-elsewhere") {
      return failed(REASON.nonceUsed, "its success is told once, to the caller who brought it", transactionOf(row));
    }
    const { reason, message } = reasonOfRow(row);
    return failed(reason, message, transactionOf(row));
  }

  /** Whether a payment was decided without a transaction. */
  async function isNeverSent(id: number): Promise<boolean> {
    const row = await journal.payment(id);
    return row !== undefined && isDecided(row) && transactionOf(row) === undefined;
  }

  /** Waits for a stored payment, and takes its success if nobody has it yet. */
  async function conclude(row: PaymentRow, asking: Waiting): Promise<Settlement> {
    if (!isDecided(row)) asking.seat?.waits();
    const decided = isDecided(row) ? row : await decide(row, asking);
    if (!("id" in decided)) return decided;
    const transaction = transactionOf(decided);
    const refusal = isPreconfirmed(decided) ? undefined : unsuccessful(decided, asking.caller);
    if (refusal !== undefined) return failed(refusal.reason, refusal.message, transaction);
    if (transaction === undefined) return failed(REASON.settleError, "the journal does not say where it was settled");
    const place = await placeOf(decided);
    if (asking.signal?.aborted === true) throw new CallerGoneError("the caller is gone");
    // From here on nobody else gets the success, whether or not this answer arrives.
    if (await consumed(decided, asking.bringer)) {
      return { status: "settled", transaction, level: levelOf(decided), place, row: decided };
    }
    const now = isPreconfirmed(decided) ? await journal.payment(decided.id) : undefined;
    // What it was to be told on is no longer so.
    if (now !== undefined && now.consumedAtMs === undefined) return conclude(now, asking);
    return failed(REASON.nonceUsed, "its success was told before", transaction);
  }

  /** Takes the success of a payment. It must still have the evidence that it is told on. */
  function consumed(row: PaymentRow, { merchant, again }: Bringer): Promise<boolean> {
    const on = isPreconfirmed(row) ? row.evidence : undefined;
    return journal.consume(row.id, clock.now(), { bringer: merchant, again, on });
  }

  /** Why a decided payment is no success for this caller; undefined if it is one. */
  function unsuccessful(row: PaymentRow, { merchant }: Caller) {
    if (row.state === "settled") return undefined;
    if (row.state !== "settled-elsewhere") return reasonOfRow(row);
    const isStrict = policy.strict || merchant?.strict === true;
    return isStrict ? { reason: REASON.nonceUsed, message: "somebody else submitted it" } : undefined;
  }

  /** The row once it is enough for this caller, or the answer for one who cannot wait any longer. */
  async function decide(row: PaymentRow, asking: Waiting): Promise<PaymentRow | Settlement> {
    const { startedMs, signal, caller } = asking;
    const isQuick = (caller.merchant?.level ?? policy.level) === "preconfirmed";
    const enough = isQuick ? ("preconfirmed" as const) : ("decided" as const);
    const patience = { ms: remaining(startedMs), signals: [port.stopping, signal], enough };
    const decided = await outcomeWithin(port, row.id, patience);
    if (decided !== undefined) return decided;
    if (signal?.aborted === true) {
      if (!asking.isShared()) await giveUp(row, asking);
      throw new CallerGoneError("the caller is gone");
    }
    const now = await takeBack(port, row);
    if (now === undefined)
      return failed(REASON.settleError, "it was not sent in time and is taken back; nothing moved");
    if (isDecided(now)) return now;
    return { status: "pending", transaction: await lastTransaction(journal, now) };
  }

  /**
   * Takes a payment out of the queue that nobody waits for any more. That frees its place, and it may be brought again. A payment
   * that is on its way keeps its place until it is decided.
   */
  async function giveUp(row: PaymentRow, { seat, startedMs }: Asking): Promise<void> {
    if ((await engine.cancel(row.id)) || seat === undefined) return;
    seat.keep(outcomeWithin(port, row.id, { ms: remaining(startedMs), signals: [port.stopping] }));
  }

  function remaining(startedMs: number): number {
    return Math.max(0, policy.answerWithinMs - (clock.now() - startedMs));
  }
}

/**
 * Whether a request carries the signature that the payment was accepted with. Nobody can take a success by knowing only the
 * terms. (Once the payment is mined, its terms and its signature are public.)
 */
async function isSigned(row: PaymentRow, signed: SignedAuthorization): Promise<boolean> {
  const stored = row.work.kind === "authorization" ? row.work.authorization.signature : undefined;
  if (stored === undefined) return true;
  const bare = unwrapErc6492(signed.signature)?.signature ?? signed.signature;
  return [bare, signed.signature, normaliseSignature(bare)].some((one) => one.toLowerCase() === stored.toLowerCase());
}

function levelOf({ evidence }: PaymentRow): SettlementLevel {
  return "level" in evidence ? evidence.level : "included";
}

function failed(reason: string, message?: string, transaction?: Hex): Settlement & { status: "failed" } {
  return { status: "failed", reason, message, ...(transaction === undefined ? {} : { transaction }) };
}
