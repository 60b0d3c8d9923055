/** What to do with a payment next. */
export type RetryRule =
  /** It may go into the next batch. */
  | "now"
  /** The obstacle may pass before its deadline. */
  | "until-deadline"
  /** It can never settle, or an operator must look at it first. */
  | "never"
  /** Its outcome is unknown: nothing is sent for it until there is evidence. */
  | "hold";

type Rule = {
  /**
   * Who gives the reason: the token (by its revert data, or by a read of the same fact), the plan of a batch, the chain
   * around them, whoever accepts a payment, or the engine that sends it.
   */
  readonly saidBy: "token" | "plan" | "chain" | "intake" | "engine";
  readonly meaning: string;
  /**
   * Whether a rejected payment is worth another try when somebody asks for one. By itself, the engine retries only what
   * the token refused, and only under a policy that wants it.
   */
  readonly retry: Exclude<RetryRule, "now" | "hold">;
  /**
   * The state that it leads to. `queued` if the payment waits until the reason has passed; undefined if nothing is
   * stored.
   */
  readonly state: "queued" | "rejected" | "expired" | "already-used" | "cancelled" | undefined;
};

/** Every reason why a payment does not settle, or does not settle yet. */
export const REASONS = {
  "already-used": {
    saidBy: "token",
    meaning: "the nonce was used or cancelled before",
    retry: "never",
    state: "already-used",
  },
  expired: { saidBy: "token", meaning: "its deadline has passed", retry: "never", state: "expired" },
  "not-yet-valid": {
    saidBy: "token",
    meaning: "it is not valid yet",
    retry: "until-deadline",
    state: "rejected",
  },
  /**
   * This is proof only for a payer without code. USDC says the same if the payer's code (ERC-1271, EIP-7702) reverts or
   * uses up its gas: the token asks the code in a call that may fail, and keeps a 64th of the gas to say so.
   */
  "bad-signature": {
    saidBy: "token",
    meaning: "the payer does not accept the signature",
    retry: "never",
    state: "rejected",
  },
  underfunded: {
    saidBy: "token",
    meaning: "the payer has less than it takes",
    retry: "until-deadline",
    state: "rejected",
  },
  blocked: {
    saidBy: "token",
    meaning: "the token blocks the payer or the payee",
    retry: "until-deadline",
    state: "rejected",
  },
  "token-paused": { saidBy: "token", meaning: "the token is paused", retry: "until-deadline", state: "rejected" },
  /**
   * Reverted without data: the gas allowance ran out, or the payer's code reverted with nothing. Only an operator's
   * retry sends it again.
   */
  "gas-capped": {
    saidBy: "token",
    meaning: "it used up the gas that it was given",
    retry: "never",
    state: "rejected",
  },
  /** Anything else that the token says. See the message. */
  refused: { saidBy: "token", meaning: "the token refuses it", retry: "never", state: "rejected" },

  "never-valid": {
    saidBy: "plan",
    meaning: "no second lies between validAfter and validBefore",
    retry: "never",
    state: "expired",
  },
  "expires-too-soon": {
    saidBy: "plan",
    meaning: "it expires too soon to be mined for sure",
    retry: "never",
    state: "queued",
  },
  "zero-payee": { saidBy: "plan", meaning: "the payee is the zero address", retry: "never", state: "rejected" },
  duplicate: {
    saidBy: "plan",
    meaning: "the same authorization is in the job already",
    retry: "never",
    state: "queued",
  },
  /** The payment that was chosen for this identity decides about it. Until then it waits. */
  variant: {
    saidBy: "plan",
    meaning: "the payer signed other terms under this nonce, and those are in the job already",
    retry: "never",
    state: "queued",
  },
  /** It waits, because a node may be behind or lie: the token was there when the payment was accepted. */
  "missing-token": {
    saidBy: "plan",
    meaning: "there is no such token on this chain",
    retry: "until-deadline",
    state: "queued",
  },
  "payer-held": {
    saidBy: "plan",
    meaning: "payments of this payer are held back",
    retry: "until-deadline",
    state: "queued",
  },
  "over-committed": {
    saidBy: "plan",
    meaning: "earlier payments take too much of the payer's balance",
    retry: "until-deadline",
    state: "queued",
  },
  "below-minimum": {
    saidBy: "plan",
    meaning: "its value is below the minimum",
    retry: "until-deadline",
    state: "rejected",
  },
  "above-gas-cap": {
    saidBy: "plan",
    meaning: "it needs more gas than a transaction may take",
    retry: "until-deadline",
    state: "rejected",
  },
  "above-calldata-cap": {
    saidBy: "plan",
    meaning: "it needs more calldata than a transaction may have",
    retry: "until-deadline",
    state: "rejected",
  },

  cancelled: { saidBy: "chain", meaning: "the payer cancelled this nonce", retry: "never", state: "cancelled" },
  "wrong-chain": { saidBy: "chain", meaning: "it is for another chain", retry: "never", state: "rejected" },

  /** A cap by sum or by count. */
  "payer-cap": {
    saidBy: "intake",
    meaning: "the payer has as much open as they may have",
    retry: "until-deadline",
    state: undefined,
  },
  "undeployed-wallet": {
    saidBy: "intake",
    meaning: "the payer's wallet is not deployed yet, and the token asks its code",
    retry: "never",
    state: undefined,
  },
  closed: { saidBy: "intake", meaning: "it was not stored", retry: "until-deadline", state: undefined },

  /** For a call. */
  reverted: { saidBy: "engine", meaning: "the call reverts", retry: "never", state: "rejected" },
  /** It makes every transaction that it is in fail, even alone. Only an operator's retry sends it again. */
  quarantined: {
    saidBy: "engine",
    meaning: "every transaction with it fails as a whole",
    retry: "never",
    state: "rejected",
  },
} as const satisfies Readonly<Record<string, Rule>>;

type Reasons = typeof REASONS;

/** Why a payment does not settle, or does not settle yet: a name of {@link REASONS}. */
export type Reason = keyof Reasons;

type SaidBy<Who extends Rule["saidBy"]> = {
  [Name in Reason]: Reasons[Name]["saidBy"] extends Who ? Name : never;
}[Reason];

/** Why the token refused an authorization. */
export type RefusalReason = SaidBy<"token">;

/** Why a payment of a job cannot settle: what the token said, or what was known before the token was asked. */
export type RejectionReason = SaidBy<"token" | "plan" | "chain">;

/** Whether a text is the name of a reason. */
export function isReason(text: string): text is Reason {
  return Object.hasOwn(REASONS, text);
}

/** Whether the token gives this reason, and not somebody before it. */
export function isRefusal(reason: Reason): reason is RefusalReason {
  return REASONS[reason].saidBy === "token";
}

/** Whether a payment of a job can be rejected for this reason. */
export function isRejection(reason: Reason): reason is RejectionReason {
  const { saidBy } = REASONS[reason];
  return saidBy === "token" || saidBy === "plan" || saidBy === "chain";
}
