/**
 * When an engine looks, waits, sends and tries again. It is no operator's choice: each kind of work has the pace that
 * suits it, and only tests set another one. Times in milliseconds.
 */
export type Pace = {
  /**
   * Whether what waits is sent once for each block, as late as it still makes that block, where blocks come regularly.
   * Where they do not, or with false, it waits for company as the next four say.
   */
  readonly inStep: boolean;
  /** How long the first payment of an idle engine waits for company. */
  readonly lingerMs: number;
  /** The longest wait of an idle engine while payments keep coming in, each within `lingerMs` of the one before. */
  readonly gatherMs: number;
  /** The longest that a payment waits for a batch to fill while others are in flight. */
  readonly maxLingerMs: number;
  /** With this many queued payments, a batch goes at once. */
  readonly fullBatch: number;
  /**
   * If a payer's unsettled payments reach this part of their balance, in thousandths, they are settled at once: the
   * payer may spend the balance elsewhere before the next batch.
   */
  readonly exposurePermille: bigint;
  /** If a transaction is not included after this time, the same bytes are broadcast again. */
  readonly rebroadcastAfterMs: number;
  /** If a transaction is not included after this time, it is replaced at a higher fee. */
  readonly replaceAfterMs: number;
  readonly retryRefusedAfterMs: number;
  /**
   * How long a payer waits whose code burnt gas, or a signer of a call that failed after its pre-flight had passed. A
   * payer who moved the money away or cancelled waits a quarter of it. Each further strike doubles the wait.
   */
  readonly strikeMs: number;
  /** The longest pause between two looks at the chain. */
  readonly pollMs: number;
  /** How often the queue is searched for payments of other processes, and for those that became due. */
  readonly sweepMs: number;
  /** How often finality, proofs of expiry and foreign uses of nonces are checked. */
  readonly finalityMs: number;
  /**
   * How often the balances of payers with waiting payments are read again, if payments may wait for longer than this.
   */
  readonly watchBalancesMs: number;
  /** The most callers that may wait for outcomes at once; more are refused. */
  readonly maxWaiters: number;
  /** The longest that `close` waits for what is in flight. */
  readonly closeWithinMs: number;
};

export const USUAL_PACE: Pace = {
  inStep: true,
  lingerMs: 25,
  gatherMs: 250,
  maxLingerMs: 2_000,
  fullBatch: 300,
  exposurePermille: 800n,
  rebroadcastAfterMs: 8_000,
  replaceAfterMs: 20_000,
  retryRefusedAfterMs: 5_000,
  strikeMs: 60_000,
  pollMs: 500,
  sweepMs: 2_000,
  finalityMs: 2_000,
  watchBalancesMs: 10_000,
  maxWaiters: 20_000,
  closeWithinMs: 10_000,
};
