import { type Address, encodeAbiParameters, type Hex, keccak256 } from "viem";
import { authorizationId, termsDigest } from "../../authorization/identity.ts";
import type { SignedAuthorization } from "../../authorization/types.ts";
import { ask } from "../../chain/ask.ts";
import type { ChainClient } from "../../chain/client.ts";
import { ChainMismatchError, ChainUnavailableError } from "../../chain/errors.ts";
import { domainOf } from "../../chain/facts/domain.ts";
import { readFacts } from "../../chain/facts/facts.ts";
import type { Clock } from "../../clock.ts";
import { secondsNow } from "../../clock.ts";
import { TributaryError } from "../../errors.ts";
import type { NewPayment, PaymentJournal, PaymentRow, Transition } from "../../journal/ports/payments.ts";
import type { AuthorizationWork, LogProof } from "../../journal/ports/work.ts";
import { groupBy } from "../../lists.ts";
import type { TokenDomain } from "../../networks.ts";
import type { Reason } from "../../reasons.ts";
import { retryRuleOf } from "../outcome/retry.ts";
import type { EnginePolicy } from "../policy.ts";
import { callIdentity } from "./callIdentity.ts";
import { beyondCaps, createAdded, type Spending } from "./caps.ts";
import type { Exposure } from "./exposure.ts";
import { findShortfalls, type Shortfall } from "./funds.ts";
import { verifySubmissions } from "./verify.ts";

/** A payment as it is handed to the engine. */
export type Submission = {
  /** The terms and the signature. */
  readonly authorization: SignedAuthorization;
  /** Where it came from (a line of a file, a request id), for reports. */
  readonly source?: string | undefined;
  /** The lasting name of the only caller that may be told of its success. */
  readonly bringer?: string | undefined;
  /** Whether it gets its own transaction. */
  readonly alone?: boolean | undefined;
  /** Replaces the policy's cap for this payment. */
  readonly payerOpenCap?: number | undefined;
  /**
   * The EIP-712 domain under which the caller has recovered the payer from the signature. If it is the token's, and the
   * payer has no code, the payer is not recovered again.
   */
  readonly recoveredUnder?: TokenDomain | undefined;
};

/** A contract call that is not a payment. `key` names it: the same key means the same call. */
export type CallSubmission = {
  /** Names the call, unique on its chain. */
  readonly key: string;
  /** The contract to call. */
  readonly to: Address;
  /** Its calldata. */
  readonly data: Hex;
  /** Gas of the transaction; with a `proof`, of the call alone. */
  readonly gas: bigint;
  /** Lets the call share a transaction with others, see `Work`. */
  readonly proof?: LogProof | undefined;
  /** Strangers who can make it fail after it passed its pre-flight, see `Work`. */
  readonly signers?: readonly Address[] | undefined;
  /** What it takes from a payer. It counts like one of their payments. */
  readonly spends?: Spending | undefined;
  /** Replaces the policy's cap for this call. */
  readonly payerOpenCap?: number | undefined;
  /** Unix seconds after which it is no longer sent. */
  readonly deadlineSeconds: bigint;
  /** Where it came from, for reports. */
  readonly source?: string | undefined;
  /** The lasting name of the only caller that may be told of its success. */
  readonly bringer?: string | undefined;
};

/** What became of a submission. A refused one is not stored. */
export type Admission = { readonly status: "accepted"; readonly row: PaymentRow; readonly isNew: boolean } | Refusal;

/** Why a payment was not accepted. */
export type Refusal = {
  readonly status: "refused";
  readonly reason: Reason;
  readonly message: string;
};

/** A key names two calls, so it is unknown which of them is meant. */
export class CallKeyError extends TributaryError {
  override readonly name = "CallKeyError";
}

export type IntakePort = {
  readonly journal: PaymentJournal;
  readonly client: ChainClient;
  readonly clock: Clock;
  readonly policy: EnginePolicy;
  /** What payers have open, and their balances. */
  readonly exposure: Exposure;
  /** Moves stored payments to another state. */
  readonly apply: (transitions: readonly Transition[]) => Promise<readonly PaymentRow[]>;
};

type Entry = { readonly index: number; readonly submission: Submission };
/** A submission that is to be stored. */
type Good = { readonly index: number; readonly signed: SignedAuthorization; readonly payment: NewPayment };
type Balance = { readonly token: Address; readonly payer: Address; readonly balance: bigint | undefined };
type Answers = (Admission | ChainUnavailableError | undefined)[];

/**
 * Verifies submissions and stores those that are good, all with a handful of reads and one commit. A row is made only
 * behind a signature that the token would accept, so that nobody can take another payer's place. If the same terms are
 * submitted again, they are the same payment: it is tried again if it was rejected for a reason that may pass, and any
 * other outcome stays.
 * @returns In the order of the submissions. An error if the node could not tell: that submission was not stored.
 */
export async function admit(
  port: IntakePort,
  submissions: readonly Submission[],
): Promise<(Admission | ChainUnavailableError)[]> {
  const answers: Answers = new Array<Answers[number]>(submissions.length).fill(undefined);
  const good: Good[] = [];
  const entries: Entry[] = [];
  for (const [index, submission] of submissions.entries()) {
    const { chainId } = submission.authorization;
    if (chainId !== port.client.chain.id) {
      const message = `it is for chain ${chainId}, this engine is on ${port.client.chain.id}`;
      answers[index] = refuse("wrong-chain", message);
    } else entries.push({ index, submission });
  }
  const groups = groupBy(entries, ({ submission }) => submission.authorization.token.toLowerCase());
  const balances: Balance[] = [];
  for (const group of groups.values()) good.push(...(await examine(port, group, answers, balances)));

  const { journal, clock, exposure } = port;
  const rows =
    good.length === 0
      ? []
      : await journal.accept(
          good.map(({ payment }) => payment),
          clock.now(),
        );
  for (const [position, { index, payment }] of good.entries()) {
    const accepted = rows[position];
    if (accepted === undefined) continue;
    answers[index] = { status: "accepted", ...accepted };
    // Remembers the submitted object, which the caller keeps in memory anyway, and not the journal's copy.
    exposure.note({ id: accepted.row.id, state: accepted.row.state, work: payment.work });
  }
  // The exposure watches for falling balances.
  for (const { token, payer, balance } of balances) {
    if (balance !== undefined) exposure.noteBalance(token, payer, balance);
  }
  const admissions = answers.map((answer) => answer ?? refuse("closed", "it was not stored"));
  return tryAgain(port, admissions);
}

/**
 * The refusal that {@link admit} would give a payment now; undefined if it would not refuse it. Nothing is stored.
 * @throws ChainUnavailableError if the node could not tell.
 */
export async function findRefusal(port: IntakePort, submission: Submission): Promise<Refusal | undefined> {
  const answers: Answers = [undefined];
  await examine(port, [{ index: 0, submission }], answers, []);
  const [answer] = answers;
  if (answer === undefined) return undefined;
  if (!("status" in answer)) throw answer;
  return answer.status === "refused" ? answer : undefined;
}

/** Returns those submissions for one token that are to be stored, and answers the others. */
async function examine(
  port: IntakePort,
  group: readonly Entry[],
  answers: Answers,
  balances: Balance[],
): Promise<readonly Good[]> {
  const { client, clock, policy } = port;
  const good: Good[] = [];
  const token = group[0]!.submission.authorization.token;
  const refused = new Map<number, Admission>();
  let known: Awaited<ReturnType<typeof factsOf>>;
  try {
    known = await factsOf(
      client,
      token,
      group.map(({ submission }) => submission.authorization),
    );
  } catch (error) {
    if (!(error instanceof ChainUnavailableError)) throw error;
    for (const { index } of group) answers[index] = error;
    return good;
  }
  if (known === undefined) {
    const refusal = refuse("missing-token", `there is no EIP-3009 token at ${token}`);
    await answerFromJournal(port.journal, group, new Map(group.map(({ index }) => [index, refusal])), answers);
    return good;
  }
  const { facts, domain } = known;
  const verdicts = await verifySubmissions(
    client,
    group.map(({ submission }) => submission),
    domain,
    facts.withCode,
  );
  const minimumValue = policy.limits.minimumValue ?? 0n;
  const nowSeconds = secondsNow(clock);
  // What these submissions add to what their payers have unsettled.
  const added = createAdded();
  for (const [position, { index, submission }] of group.entries()) {
    const { authorization } = submission;
    const verdict = verdicts[position];
    const payer = authorization.from.toLowerCase();
    const beyond = beyondCaps(port, authorization, submission.payerOpenCap, added);
    if (verdict === undefined || !("status" in verdict)) answers[index] = verdict;
    else if (verdict.status === "bad") refused.set(index, refuse(verdict.reason, verdict.message));
    else if (authorization.validBefore <= nowSeconds) {
      refused.set(index, refuse("expired", `it expired at ${authorization.validBefore}`));
    } else if (facts.used.has(authorizationId(authorization))) {
      refused.set(index, refuse("already-used", "its nonce was used or cancelled before it was submitted"));
    } else if (authorization.value < minimumValue) {
      refused.set(index, refuse("below-minimum", `${authorization.value} is below the minimum of ${minimumValue}`));
    } else if (policy.requireFunds && facts.blocked.has(authorization.to.toLowerCase())) {
      refused.set(index, refuse("blocked", "the token blocks the payee"));
    } else if (beyond !== undefined) {
      refused.set(index, refuse("payer-cap", beyond));
    } else {
      added.add(authorization);
      const signed = { ...authorization, signature: verdict.signature };
      const payerHasCode = facts.withCode.has(payer);
      const work = { kind: "authorization", authorization: signed, payerHasCode } as const;
      const payment = newPayment(submission.alone ? { ...work, alone: true } : work, facts.head.number, submission);
      good.push({ index, signed, payment });
      balances.push({ token, payer: authorization.from, balance: facts.balances.get(payer) });
    }
  }
  const funded = policy.requireFunds ? await refuseShort(port, good, facts.balances, refused) : good;
  await answerFromJournal(port.journal, group, refused, answers);
  return funded;
}

/**
 * Refuses payments that their payers cannot pay, and returns the rest. If the node does not answer now, the plan finds
 * out later.
 */
async function refuseShort(
  port: IntakePort,
  good: readonly Good[],
  balances: ReadonlyMap<string, bigint>,
  refused: Map<number, Admission>,
): Promise<readonly Good[]> {
  const payments = good.map(({ signed }) => signed);
  const shortfalls = await findShortfalls(port, payments, balances).catch((error: unknown) => {
    if (error instanceof ChainUnavailableError) return new Map<SignedAuthorization, Shortfall>();
    throw error;
  });
  return good.filter(({ index, signed }) => {
    const shortfall = shortfalls.get(signed);
    if (shortfall === undefined) return true;
    const { balance, committed } = shortfall;
    const message = `the payer has ${balance}, of which unsettled payments take ${committed} and this one ${signed.value}`;
    refused.set(index, refuse("underfunded", message));
    return false;
  });
}

/**
 * Answers refused submissions. If the journal has exactly these terms already, its row says more than a refusal. If the
 * payer's code has changed, a signature that is bad now may have been good when the row was made: then it is the one in
 * the row.
 */
async function answerFromJournal(
  journal: PaymentJournal,
  group: readonly Entry[],
  refused: ReadonlyMap<number, Admission>,
  answers: Answers,
): Promise<void> {
  if (refused.size === 0) return;
  const entries = group.filter(({ index }) => refused.has(index));
  const identities = [...new Set(entries.map(({ submission }) => authorizationId(submission.authorization)))];
  const rows = new Map((await journal.withIdentities(identities)).map((row) => [`${row.identity} ${row.digest}`, row]));
  for (const { index, submission } of entries) {
    const { authorization } = submission;
    const row = rows.get(`${authorizationId(authorization)} ${termsDigest(authorization)}`);
    const refusal = refused.get(index);
    const isBad = refusal?.status === "refused" && refusal.reason === "bad-signature";
    const isKnown = row !== undefined && (!isBad || hasSignature(row, authorization));
    answers[index] = isKnown ? { status: "accepted", row, isNew: false } : refusal;
  }
}

function hasSignature({ work }: PaymentRow, { signature }: SignedAuthorization): boolean {
  return work.kind === "authorization" && work.authorization.signature.toLowerCase() === signature.toLowerCase();
}

/** Queues rejected payments again if they were submitted again and the reason of the rejection may have passed. */
async function tryAgain(
  { clock, apply }: IntakePort,
  admissions: (Admission | ChainUnavailableError)[],
): Promise<(Admission | ChainUnavailableError)[]> {
  const nowSeconds = secondsNow(clock);
  const ids = new Set<number>();
  for (const admission of admissions) {
    if (!("status" in admission) || admission.status !== "accepted" || admission.isNew) continue;
    const { id, state, reason, deadlineSeconds } = admission.row;
    const mayPass = state === "rejected" && retryRuleOf({ state, reason }) === "until-deadline";
    if (mayPass && deadlineSeconds > nowSeconds) ids.add(id);
  }
  if (ids.size === 0) return admissions;
  const evidence = { kind: "request", by: "submitted again" } as const;
  const moved = await apply([...ids].map((paymentId) => ({ paymentId, from: ["rejected"], to: "queued", evidence })));
  const rows = new Map(moved.map((row) => [row.id, row]));
  return admissions.map((admission) => {
    if (!("status" in admission) || admission.status !== "accepted") return admission;
    return { ...admission, row: rows.get(admission.row.id) ?? admission.row };
  });
}

/**
 * Stores a call. It needs no payer's signature: the caller of this function is trusted.
 * @throws CallKeyError if the key names another call.
 */
export async function admitCall(
  port: Pick<IntakePort, "journal" | "client" | "clock" | "exposure" | "policy">,
  call: CallSubmission,
): Promise<Admission> {
  const chainId = port.client.chain.id;
  const { to, data, gas, proof, signers = [], key, deadlineSeconds, source, bringer } = call;
  const types = [{ type: "address" }, { type: "bytes" }, { type: "uint256" }] as const;
  const identity = callIdentity(chainId, key);
  const digest = keccak256(encodeAbiParameters(types, [to, data, gas]));
  if ((await port.journal.withIdentities([identity])).some((row) => row.digest !== digest)) {
    throw new CallKeyError(`The key ${key} names another call already.`, {
      hint: "Use a new key for a new call; the same key is for asking for the same call again.",
    });
  }
  const { spends } = call;
  const beyond = spends === undefined ? undefined : beyondCaps(port, spends, call.payerOpenCap);
  if (beyond !== undefined) return refuse("payer-cap", beyond);
  const payment: NewPayment = {
    identity,
    digest,
    work: {
      ...({ kind: "call", chainId, to, data, gas } as const),
      ...(proof === undefined ? {} : { proof }),
      ...(signers.length === 0 ? {} : { signers }),
      ...(spends === undefined ? {} : { spends }),
    },
    deadlineSeconds,
    acceptedBlock: await ask("its newest block", port.client.getBlockNumber()),
    source,
    bringer,
  };
  const [accepted] = await port.journal.accept([payment], port.clock.now());
  if (accepted === undefined) return refuse("closed", "it was not stored");
  port.exposure.note(accepted.row);
  return { status: "accepted", ...accepted };
}

function newPayment(
  work: AuthorizationWork,
  acceptedBlock: bigint,
  { source, bringer }: Pick<Submission, "source" | "bringer">,
): NewPayment {
  const { authorization } = work;
  return {
    identity: authorizationId(authorization),
    digest: termsDigest(authorization),
    work,
    deadlineSeconds: authorization.validBefore,
    acceptedBlock,
    source,
    bringer,
  };
}

async function factsOf(client: ChainClient, token: Address, authorizations: readonly SignedAuthorization[]) {
  try {
    const [facts, domain] = await Promise.all([readFacts(client, token, authorizations), domainOf(client, token)]);
    return { facts, domain };
  } catch (error) {
    if (error instanceof ChainMismatchError) return undefined;
    throw error;
  }
}

function refuse(reason: Reason, message: string): Admission {
  return { status: "refused", reason, message };
}
