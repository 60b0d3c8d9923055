import type { Address, Hex, Log } from "viem";
import type { ChainClient } from "../../chain/client.ts";
import { hasCode } from "../../chain/facts/facts.ts";
import { readWorth } from "../../chain/fees/worth.ts";
import { preflightCall } from "../../chain/sending/preflightCall.ts";
import { findReceipt } from "../../chain/sending/submit.ts";
import { type ChannelCall, transactionGasOf } from "../../channels/calls.ts";
import { BATCH_SETTLEMENT_ADDRESS } from "../../channels/index.ts";
import { nameChannelRevert } from "../../channels/reverts.ts";
import type { Clock } from "../../clock.ts";
import { budgetGas } from "../../gas/budget.ts";
import type { BatchJournal } from "../../journal/ports/batches.ts";
import { transactionOf } from "../../journal/ports/evidence.ts";
import type { PaymentJournal, PaymentRow } from "../../journal/ports/payments.ts";
import { isDecided } from "../../journal/ports/payments.ts";
import { outcomeWithin, takeBack } from "../../settlement/engine/outcomeWithin.ts";
import type { SettlementEngine } from "../../settlement/engine/types.ts";
import { callIdentity } from "../../settlement/intake/callIdentity.ts";
import { lastTransaction } from "../../settlement/outcome/lastTransaction.ts";
import type { FacilitatorPolicy } from "../admission/policy.ts";
import type { Fault, Ticket } from "../admission/types.ts";
import { REASON } from "../wire/reasons.ts";

export type SubmitPort = {
  readonly engine: SettlementEngine;
  readonly journal: PaymentJournal & BatchJournal;
  readonly client: ChainClient;
  readonly policy: Pick<FacilitatorPolicy, "answerWithinMs" | "holdMs" | "maxSignerGas" | "gasFloor" | "etherMicroUsd">;
  readonly clock: Clock;
  /** The sending keys. */
  readonly addresses: () => readonly Hex[];
  /** Aborts when waiting callers must be answered now. */
  readonly stopping: AbortSignal;
};

/** What became of a call, according to its own logs. */
export type CallOutcome =
  | {
      readonly status: "done";
      readonly row: PaymentRow;
      readonly transaction: Hex;
      readonly blockNumber: bigint;
      /** The logs of its whole transaction, which other calls may share. */
      readonly logs: readonly Log[];
    }
  /** It reverted, or would revert. `transaction` is set if it was sent. */
  | { readonly status: "refused"; readonly message: string; readonly transaction: Hex | undefined }
  /** Not admitted, because the request is at fault. */
  | { readonly status: "faulty"; readonly fault: Fault }
  /** Nothing final is known yet. `transaction` is the one that it was sent in, if it was. */
  | { readonly status: "pending"; readonly transaction: Hex | undefined }
  /** Never sent, and never will be. */
  | { readonly status: "unsent"; readonly message: string };

export type SubmitOptions = {
  /** Names the call: the same key means the same call. */
  readonly key: string;
  /** The amount that it moves, in atomic units. It never takes much more gas than that is worth. */
  readonly value: bigint;
  /** The time after which it is no longer sent, in Unix seconds. */
  readonly deadlineSeconds: bigint;
  readonly source?: string | undefined;
  /** Aborts when the caller is gone. */
  readonly signal?: AbortSignal | undefined;
  /** Stored with the call: the only caller who may be told of its success. */
  readonly bringer?: string | undefined;
  /** Called when the call is in the journal. */
  readonly noteStored?: (() => void) | undefined;
  /** Admits the call, just before it is handed to the engine. */
  readonly admit: () => Promise<Ticket | Fault>;
  /** The most that its payer may have open. */
  readonly payerOpenCap?: number | undefined;
};

/**
 * The journal's row of a call that was submitted under this name, and the key to submit it with if there is none. A call that was
 * taken back or came too late was never sent, so the next call of that name is a new one.
 */
export async function findCall(
  { journal, client }: SubmitPort,
  name: string,
): Promise<{ readonly key: string; readonly row: PaymentRow | undefined }> {
  for (let round = 0; ; round += 1) {
    const key = `${name}:${round}`;
    const [row] = await journal.variants(callIdentity(client.chain.id, key));
    if (row?.state !== "cancelled" && row?.state !== "expired") return { key, row };
  }
}

/**
 * Hands a call to the engine and waits for its outcome. It shares a transaction with others, unless an account with code has to
 * check a signature. Then it goes alone, with no more gas than {@link budgetGas} allows, and only if that suffices now.
 * @throws ChainUnavailableError if the node does not answer.
 */
export async function submitCall(port: SubmitPort, call: ChannelCall, options: SubmitOptions): Promise<CallOutcome> {
  const { engine, client, addresses, policy } = port;
  const { data, proof, signers } = call;
  const to = BATCH_SETTLEMENT_ADDRESS;
  const modelGas = transactionGasOf(call);
  const { etherMicroUsd, gasFloor: floorGas, maxSignerGas: signerGas } = policy;
  const [withCode, worth] = await Promise.all([
    findWallets(client, signers),
    readWorth(client, { to, data, gas: modelGas }, { microUsd: options.value, etherMicroUsd }),
  ]);
  const walletChecks = signers.filter((signer) => withCode.has(signer.toLowerCase())).length;
  const { gas, isByWorth } = budgetGas({ modelGas, walletChecks, signerGas, worth, floorGas });
  const refused = (message: string): CallOutcome => ({ status: "refused", message, transaction: undefined });
  if (walletChecks === 0 && isByWorth) {
    return refused(`it may take ${modelGas} gas, more than the ${gas} allowed for what it moves`);
  }
  const [from] = addresses();
  const reason =
    walletChecks === 0 || from === undefined ? undefined : await preflightCall(client, { from, to, data, gas });
  if (reason === "0x") return refused(`it takes more than the ${gas} gas allowed for it`);
  if (reason !== undefined) return refused(nameChannelRevert(reason));

  const { key, deadlineSeconds, source, bringer, payerOpenCap } = options;
  const spends = call.spends === undefined ? undefined : { ...call.spends, chainId: client.chain.id };
  const named = { key, to, data, deadlineSeconds, source, bringer };
  const common = { ...named, signers: [...new Set(signers)], spends, payerOpenCap };
  return withTicket(options.admit, async () => {
    const admission = await engine.acceptCall(
      walletChecks === 0 ? { ...common, gas: call.gas, proof } : { ...common, gas },
    );
    if (admission.status === "refused") {
      if (admission.reason !== "payer-cap") return { status: "unsent", message: admission.message };
      return { status: "faulty", fault: { reason: REASON.invalidState, message: admission.message } };
    }
    options.noteStored?.();
    return awaitCall(port, admission.row, options.signal);
  });
}

/** Signers with code, in lower case. */
async function findWallets(client: ChainClient, signers: readonly Address[]): Promise<ReadonlySet<string>> {
  const all = [...new Set(signers.map((signer) => signer.toLowerCase() as Address))];
  const found = await Promise.all(all.map((signer) => hasCode(client, signer)));
  return new Set(all.filter((_, index) => found[index]));
}

/** Admits a call and does the work. If the call was never sent, its gas is given back. */
export async function withTicket(
  admit: SubmitOptions["admit"],
  work: () => Promise<CallOutcome>,
): Promise<CallOutcome> {
  const ticket = await admit();
  if ("reason" in ticket) return { status: "faulty", fault: ticket };
  const outcome = await work();
  const isUnsent =
    outcome.status === "unsent" ||
    outcome.status === "faulty" ||
    (outcome.status === "refused" && outcome.transaction === undefined);
  if (isUnsent) await ticket.unsent();
  return outcome;
}

/** Waits for a call in the journal. A call that could not be sent in time is taken back. */
export async function awaitCall(
  port: SubmitPort,
  row: PaymentRow,
  signal: AbortSignal | undefined,
): Promise<CallOutcome> {
  const decided = isDecided(row) ? row : await decide(port, row, signal);
  return "id" in decided ? callOutcomeOf(port, decided) : decided;
}

async function decide(
  port: SubmitPort,
  row: PaymentRow,
  signal: AbortSignal | undefined,
): Promise<PaymentRow | CallOutcome> {
  const patience = { ms: port.policy.answerWithinMs, signals: [port.stopping, signal] };
  const decided = await outcomeWithin(port, row.id, patience);
  if (decided !== undefined) return decided;
  const now = await takeBack(port, row);
  if (now === undefined)
    return { status: "unsent", message: "it was not sent in time and is taken back; nothing moved" };
  if (isDecided(now)) return now;
  return { status: "pending", transaction: await lastTransaction(port.journal, now) };
}

async function callOutcomeOf({ client }: SubmitPort, row: PaymentRow): Promise<CallOutcome> {
  const { evidence, state } = row;
  if (state === "settled" && evidence.kind === "receipt") {
    const { transactionHash: transaction, blockNumber } = evidence;
    const receipt = await findReceipt(client, transaction);
    return { status: "done", row, transaction, blockNumber, logs: receipt?.logs ?? [] };
  }
  if (evidence.kind === "refusal") {
    const message = evidence.data === "0x" ? evidence.message : nameChannelRevert(evidence.data);
    return { status: "refused", message, transaction: evidence.transactionHash };
  }
  if (state === "rejected") return { status: "refused", message: "it reverted", transaction: transactionOf(row) };
  return { status: "unsent", message: `it is ${state}; nothing moved` };
}
