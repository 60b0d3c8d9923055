import { type Address, type Hex, isAddressEqual } from "viem";
import { authorizationId, termsDigest } from "../authorization/identity.ts";
import { isErc6492, normaliseSignature, unwrapErc6492 } from "../authorization/signature.ts";
import type { SignedAuthorization } from "../authorization/types.ts";
import { hasCode } from "../chain/facts.ts";
import type { Clock } from "../clock.ts";
import type { Logger } from "../logger.ts";
import type { SettlementEngine } from "../settlement/engine.ts";
import type { Admission } from "../settlement/intake.ts";
import type { PaymentRow, Store } from "../settlement/store/types.ts";
import { isDecided } from "../settlement/waiters.ts";
import { askOf } from "./admission/payment.ts";
import { type Caller, NOBODY, type Ticket } from "./admission/types.ts";
import type { SignatureChecks } from "./checks.ts";
import { deployWallet } from "./deploy.ts";
import { type BatchPlace, createPlaces } from "./place.ts";
import { REASON, reasonOfRow } from "./reasons.ts";
import { refuseBinding, type VerifyPort, verifyExact } from "./verify.ts";
import { authorizationOf, type ExactRequest } from "./wire.ts";

/** What /settle says of a payment, in the words of x402 v2. */
export type Settlement =
  | {
      readonly status: "settled";
      readonly transaction: Hex;
      /** Where it is in its batch; undefined of a payment that somebody else's transaction settled. */
      readonly place: BatchPlace | undefined;
      readonly row: PaymentRow;
    }
  | { readonly status: "pending"; readonly transaction: Hex }
  | {
      readonly status: "failed";
      readonly reason: string;
      readonly message?: string | undefined;
      readonly transaction?: Hex;
    };

export type SettlePort = VerifyPort & {
  readonly engine: SettlementEngine;
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly checks: SignatureChecks;
  /** Aborts when waiting callers must be answered now, because the facilitator stops. */
  readonly stopping: AbortSignal;
};

export type SettleOptions = {
  /** Aborts when the caller is gone: whoever sends the same bytes next takes its place. */
  readonly signal?: AbortSignal | undefined;
  /** Kept with the payment, for reports. */
  readonly source?: string | undefined;
  /** Who asks; somebody of whom nothing is known where it is left out. */
  readonly caller?: Caller | undefined;
  /** The payer's own id of the payment. */
  readonly identifier?: string | undefined;
};

/** What the answer to one request depends on. */
type Asking = {
  readonly startedMs: number;
  readonly signal: AbortSignal | undefined;
  readonly source: string | undefined;
  readonly caller: Caller;
  /** Who may hear the success again: an authenticated merchant under its Idempotency-Key. */
  readonly holder: string | undefined;
};

export type Settler = (request: ExactRequest, options?: SettleOptions) => Promise<Settlement>;

/** The caller went away before there was an answer. */
export class CallerGoneError extends Error {
  override readonly name = "CallerGoneError";
}

/**
 * Settles payments through the engine, with at most one success for each: it is taken from the journal before it is told.
 * While one caller waits for a payment, everybody else who sends it hears that it is a duplicate. Only its holder joins it, and
 * hears the success again.
 */
export function createSettler(port: SettlePort): Settler {
  const { engine, store, client, clock, policy, checks, admission } = port;
  const placeOf = createPlaces(store);
  const waiting = new Map<string, { readonly holder: string | undefined; callers: number }>();
  const isAlone = (payee: Address): boolean => policy.unbatchedPayees.some((one) => isAddressEqual(one, payee));

  /** Lets one caller at a time wait for a payment, or one holder. */
  async function alone(key: string, { holder }: Asking, work: () => Promise<Settlement>): Promise<Settlement> {
    const before = waiting.get(key);
    if (before !== undefined && (holder === undefined || before.holder !== holder)) {
      return failed(REASON.duplicate, "this payment is being settled for another caller");
    }
    const place = before ?? { holder, callers: 0 };
    waiting.set(key, place);
    place.callers += 1;
    try {
      return await work();
    } finally {
      place.callers -= 1;
      if (place.callers === 0) waiting.delete(key);
    }
  }

  return async (request, { signal, source, caller = NOBODY, identifier } = {}) => {
    const startedMs = clock.now();
    const ask = askOf(request, client.chain.id, identifier);
    const asking: Asking = { startedMs, signal, source, caller, holder: await admission.hold(ask, caller) };
    const signed = authorizationOf(request, client.chain.id);
    const identity = authorizationId(signed);
    const digest = termsDigest(signed);
    const key = `${identity}/${digest}`;
    const known = (await store.variants(identity)).find((row) => row.digest === digest);
    if (known !== undefined) {
      const refusal = refuseBinding(request, client.chain.id);
      if (refusal !== undefined) return failed(refusal.reason, refusal.message);
      if (!(await isSigned(known, signed)))
        return failed(REASON.signature, "the signature is another one than was accepted");
      return alone(key, asking, async () => conclude(await revive(known, request), asking));
    }

    const isWrapped = isErc6492(signed.signature);
    // A wallet that is to be deployed is looked at anew.
    const recalled = isWrapped ? undefined : checks.recall(request);
    const verdict = recalled ?? (await verifyExact(port, request, { simulate: isWrapped }));
    if (!verdict.isValid) return failed(verdict.reason, verdict.message);
    return alone(key, asking, async () => {
      const ticket = await admission.admit(ask, caller);
      if ("reason" in ticket) return failed(ticket.reason, ticket.message);
      const accepted = await acceptWith(ticket, request, signed, asking);
      return "id" in accepted ? conclude(accepted, asking) : accepted;
    });
  };

  /** {@link accept}; what was counted for a payment that is not accepted is given back. */
  async function acceptWith(
    ticket: Ticket,
    request: ExactRequest,
    signed: SignedAuthorization,
    asking: Asking,
  ): Promise<PaymentRow | Settlement> {
    let isAccepted = false;
    try {
      const accepted = await accept(request, signed, asking);
      isAccepted = "id" in accepted;
      return accepted;
    } finally {
      if (!isAccepted) await ticket.release();
    }
  }

  /** Stores a payment whose verification has passed; or why not. */
  async function accept(
    request: ExactRequest,
    signed: SignedAuthorization,
    { source, caller, startedMs }: Asking,
  ): Promise<PaymentRow | Settlement> {
    const wrapper = unwrapErc6492(signed.signature);
    if (wrapper !== undefined && !(await hasCode(client, signed.from))) {
      const isDeployed = await deployWallet(port, signed, wrapper, remaining(startedMs));
      if (!isDeployed) return failed(REASON.deploymentFailed, "the payer's wallet could not be deployed");
    }
    const admission = await engine.acceptOne({
      authorization: signed,
      source,
      alone: caller.merchant?.unbatched === true || isAlone(signed.to),
      recoveredUnder: request.required.domain,
    });
    return admission.status === "refused" ? refused(request, admission) : admission.row;
  }

  /** What the engine would not take. The official verification, with its simulation, knows the right word for most. */
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

  /** A payment that the token refused, and would take now, is queued again: a payer may have got his money since. */
  async function revive(row: PaymentRow, request: ExactRequest): Promise<PaymentRow> {
    if (row.state !== "rejected" || row.work.kind !== "authorization") return row;
    const verdict = await verifyExact(port, request, { simulate: true });
    if (!verdict.isValid || !(await engine.retry(row.id))) return row;
    return (await store.payment(row.id)) ?? row;
  }

  /** Waits for a stored payment and takes its success, if nobody has. */
  async function conclude(row: PaymentRow, { startedMs, signal, caller, holder }: Asking): Promise<Settlement> {
    const decided = isDecided(row) ? row : await decide(row, startedMs, signal);
    if (!("id" in decided)) return decided;
    const transaction = transactionOf(decided);
    if (decided.state === "settled-elsewhere" && (policy.strict || caller.merchant?.strict === true)) {
      return failed(REASON.nonceUsed, "somebody else submitted it", transaction);
    }
    if (decided.state !== "settled" && decided.state !== "settled-elsewhere") {
      const { reason, message } = reasonOfRow(decided);
      return failed(reason, message, transaction);
    }
    if (transaction === undefined) return failed(REASON.settleError, "the journal does not say where it was settled");
    const place = await placeOf(decided);
    // From here on nobody else gets it, whether or not this answer arrives.
    if (!(await store.consume(decided.id, clock.now(), holder))) {
      return failed(REASON.nonceUsed, "its success was told before", transaction);
    }
    return { status: "settled", transaction, place, row: decided };
  }

  /** The decided row, or the answer for a caller who cannot wait any longer. */
  async function decide(
    row: PaymentRow,
    startedMs: number,
    signal: AbortSignal | undefined,
  ): Promise<PaymentRow | Settlement> {
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), remaining(startedMs));
    const signals = [timeout.signal, port.stopping, ...(signal === undefined ? [] : [signal])];
    try {
      return await engine.outcome(row.id, { signal: AbortSignal.any(signals) });
    } catch (error) {
      if (signal?.aborted === true) throw new CallerGoneError("the caller is gone");
      if (
        !timeout.signal.aborted &&
        !port.stopping.aborted &&
        !(error instanceof Error && error.name === "EngineClosedError")
      ) {
        throw error;
      }
    } finally {
      clearTimeout(timer);
    }
    // Never sent, and never will be: the payer may sign anew.
    if (await engine.cancel(row.id))
      return failed(REASON.settleError, "it was not sent in time and is taken back; nothing moved");
    const now = (await store.payment(row.id)) ?? row;
    if (isDecided(now)) return now;
    const hash = await lastHash(now);
    if (hash === undefined) return failed(REASON.settleError, "its outcome is not known yet; ask for its status");
    return { status: "pending", transaction: hash };
  }

  async function lastHash(row: PaymentRow): Promise<Hex | undefined> {
    if (row.evidence.kind === "batch") return row.evidence.transactionHash;
    const batch = row.batchId === undefined ? undefined : await store.batch(row.batchId as Hex);
    return batch?.attempts.at(-1)?.hash;
  }

  function remaining(startedMs: number): number {
    return Math.max(0, policy.answerWithinMs - (clock.now() - startedMs));
  }
}

/**
 * Whether a request carries the signature that a journalled payment was accepted with. Terms alone are public once they are
 * mined, and so is the signature; but nobody can take a success with terms that he merely heard of.
 */
async function isSigned(row: PaymentRow, signed: SignedAuthorization): Promise<boolean> {
  const stored = row.work.kind === "authorization" ? row.work.authorization.signature : undefined;
  if (stored === undefined) return true;
  const bare = unwrapErc6492(signed.signature)?.signature ?? signed.signature;
  return [bare, signed.signature, normaliseSignature(bare)].some((one) => one.toLowerCase() === stored.toLowerCase());
}

function transactionOf({ evidence }: PaymentRow): Hex | undefined {
  return "transactionHash" in evidence ? evidence.transactionHash : undefined;
}

function failed(reason: string, message?: string, transaction?: Hex): Settlement & { status: "failed" } {
  return { status: "failed", reason, message, ...(transaction === undefined ? {} : { transaction }) };
}
