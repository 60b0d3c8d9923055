import { isAddressEqual } from "viem";
import type { ChainClient } from "../../chain/client.ts";
import type { Clock } from "../../clock.ts";
import { secondsNow } from "../../clock.ts";
import type { NoteJournal } from "../../journal/ports/notes.ts";
import type { PaymentJournal } from "../../journal/ports/payments.ts";
import type { Caller } from "../callers/caller.ts";
import {
  checkIdentifier,
  claimHolder,
  claimIdentifier,
  holderOf,
  MalformedHeaderError,
  readIdempotencyKey,
} from "./claims.ts";
import { createFloor, readPrices } from "./floor.ts";
import { createGasBook } from "./gas.ts";
import type { FacilitatorPolicy } from "./policy.ts";
import { createDailyCounts, type Quota } from "./quota.ts";
import { findFault } from "./rules.ts";
import type { Ask, Fault, Ticket } from "./types.ts";

export type AdmissionPort = {
  readonly journal: NoteJournal & PaymentJournal;
  readonly clock: Clock;
  readonly client: ChainClient;
  readonly policy: FacilitatorPolicy;
  /** Whether payments share transactions on this chain. */
  readonly batches: boolean;
};

/**
 * The one place that lets requests in: payments, deposits, claims, sweeps and refunds. A handler calls `fault` first, which
 * counts nothing; `hold` before it looks anything up; and `admit` when all checks have passed, before it stores or sends
 * anything.
 */
export type Admission = {
  /**
   * What is wrong with a request by the operator's rules, as far as that is known without counting.
   * @throws ChainUnavailableError if a rule depends on the price of gas, and the node does not say it.
   */
  readonly fault: (ask: Ask, caller: Caller) => Promise<Fault | undefined>;
  /**
   * Binds a merchant's Idempotency-Key to this request. It resolves with the name under which the success may be heard again;
   * undefined for callers without a key.
   * @throws ClaimConflictError if the key is bound to another request; MalformedHeaderError if it is malformed.
   */
  readonly hold: (ask: Ask, caller: Caller) => Promise<string | undefined>;
  /** Binds nothing. @throws ClaimConflictError if the payer's id is bound to another payment. */
  readonly checkIdentifier: (ask: Ask) => Promise<void>;
  /** How many payments one payer may have open with this caller. The engine counts them. */
  readonly openCapOf: (caller: Caller) => number | undefined;
  /** Checks that what `admit` counts is not used up. @throws QuotaError if it is. */
  readonly checkBudgets: (ask: Ask, caller: Caller) => Promise<void>;
  /**
   * Counts a request that is new here, and binds its payment identifier.
   * @throws QuotaError if the caller has used up what it may have today; ClaimConflictError if the identifier is taken.
   */
  readonly admit: (ask: Ask, caller: Caller) => Promise<Ticket | Fault>;
};

export function createAdmission({ journal, clock, client, policy, batches }: AdmissionPort): Admission {
  const chainId = client.chain.id;
  const counts = createDailyCounts(journal, clock);
  const gasBook = createGasBook({ batches, maxDeploymentGas: policy.maxDeploymentGas });
  const floor = createFloor(() => readPrices(client), clock, policy);

  /** Whether a payment gets its own transaction. */
  function isAlone({ payee }: Ask, { merchant }: Caller): boolean {
    if (merchant?.unbatched === true) return true;
    return payee !== undefined && policy.unbatchedPayees.some((one) => isAddressEqual(one, payee));
  }

  const fault: Admission["fault"] = async (ask, caller) => {
    const nowSeconds = secondsNow(clock);
    const worthwhile =
      policy.minGasPermille === undefined || ask.amount === undefined
        ? 0n
        : await floor(gasBook.expect(ask, isAlone(ask, caller)));
    return findFault(ask, { policy, chainId, nowSeconds, worthwhile });
  };

  function paymentQuota({ merchant }: Caller): readonly Quota[] {
    if (merchant?.paymentsPerDay === undefined) return [];
    const most = merchant.paymentsPerDay;
    return [{ name: `quota:${merchant.id}`, amount: 1, most, message: `${most} payments were accepted today` }];
  }

  function gasQuotas(ask: Ask, caller: Caller): readonly Quota[] {
    const { payer } = ask;
    const { merchant } = caller;
    const { gasPerDay } = policy;
    const pool = merchant === undefined ? gasPerDay.anonymous : (merchant.gasPerDay ?? gasPerDay.merchant);
    const ofPayer = payer === undefined ? undefined : gasPerDay.payer;
    if (pool === undefined && ofPayer === undefined) return [];
    const amount = Number(gasBook.expect(ask, isAlone(ask, caller)).gas);
    const quota = (name: string, most: bigint | undefined, message: string): readonly Quota[] => {
      return most === undefined ? [] : [{ name: `gas:${chainId}:${name}`, amount, most: Number(most), message }];
    };
    return [
      ...quota(`payer:${payer?.toLowerCase()}`, ofPayer, "the gas for this payer's payments is used up for today"),
      ...(merchant === undefined
        ? quota("anonymous", pool, "the gas for callers without an API key is used up for today")
        : quota(`merchant:${merchant.id}`, pool, "the gas for this merchant is used up for today")),
    ];
  }

  return {
    fault,
    hold: async ({ fingerprint }, { merchant, idempotencyKey }) => {
      if (merchant === undefined) return undefined;
      const key = readIdempotencyKey(idempotencyKey);
      if (!key.ok) throw new MalformedHeaderError(key.problem);
      if (key.value === undefined) return undefined;
      const holder = holderOf(merchant, key.value);
      await claimHolder(journal, holder, fingerprint);
      return holder;
    },
    checkIdentifier: async ({ identifier: id, payer, fingerprint }) => {
      if (id !== undefined && payer !== undefined) await checkIdentifier(journal, { chainId, payer, id }, fingerprint);
    },
    openCapOf: ({ merchant }) =>
      merchant === undefined ? policy.payerOpenCap.anonymous : (merchant.payerOpenCap ?? policy.payerOpenCap.merchant),
    checkBudgets: (ask, caller) => counts.check([...paymentQuota(caller), ...gasQuotas(ask, caller)]),
    admit: async (ask, caller) => {
      const refusal = await fault(ask, caller);
      if (refusal !== undefined) return refusal;
      const { identifier: id, payer, fingerprint } = ask;
      // Counted first: if something is used up, nothing is bound.
      const gas = gasQuotas(ask, caller);
      const payments = paymentQuota(caller);
      const uncount = await counts.take([...payments, ...gas]);
      let unbind = async (): Promise<void> => undefined;
      try {
        if (id !== undefined && payer !== undefined) {
          unbind = await claimIdentifier(journal, { chainId, payer, id }, fingerprint);
        }
      } catch (error) {
        await uncount();
        throw error;
      }
      return {
        release: async () => void (await Promise.all([uncount(), unbind()])),
        unsent: uncount,
      };
    },
  };
}
