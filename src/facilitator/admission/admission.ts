import type { Clock } from "../../clock.ts";
import type { Store } from "../../settlement/store/types.ts";
import type { FacilitatorPolicy } from "../policy.ts";
import {
  checkIdentifier,
  claimHolder,
  claimIdentifier,
  holderOf,
  MalformedHeaderError,
  readIdempotencyKey,
  type Undo,
} from "./claims.ts";
import { countToday } from "./quota.ts";
import { findFault } from "./rules.ts";
import type { Ask, Caller, Fault, Ticket } from "./types.ts";

export type AdmissionPort = {
  readonly store: Store;
  readonly clock: Clock;
  readonly policy: FacilitatorPolicy;
  readonly chainId: number;
};

/**
 * The one place where requests are let in: payments, deposits, claims, sweeps and refunds. Whoever handles one asks `fault`
 * first, which needs no chain and counts nothing; `hold` before anything is looked up; `admit` when all checks have passed,
 * before anything is stored or sent.
 */
export type Admission = {
  /** What is wrong with a request by the operator's rules, as far as that can be told without counting. */
  readonly fault: (ask: Ask) => Fault | undefined;
  /**
   * Binds a merchant's Idempotency-Key to this request. It resolves with the name of who may hear its success again,
   * undefined for callers without a key.
   * @throws ClaimConflictError where it is bound to another, MalformedHeaderError where it is none.
   */
  readonly hold: (ask: Ask, caller: Caller) => Promise<string | undefined>;
  /** @throws ClaimConflictError where the payer's id of the payment is bound to another one. It binds nothing. */
  readonly checkIdentifier: (ask: Ask) => Promise<void>;
  /**
   * Counts a request that is new here, and binds its payment identifier.
   * @throws QuotaError where the caller has had what it may have today, ClaimConflictError where the identifier is taken.
   */
  readonly admit: (ask: Ask, caller: Caller) => Promise<Ticket | Fault>;
};

export function createAdmission({ store, clock, policy, chainId }: AdmissionPort): Admission {
  const fault: Admission["fault"] = (ask) => findFault(ask, policy, chainId);

  /** Runs steps in order, each of which can be undone; what fails undoes those before it. */
  async function take(steps: readonly (() => Promise<Undo>)[]): Promise<Ticket> {
    const undos: Undo[] = [];
    const release = async (): Promise<void> => void (await Promise.all(undos.splice(0).map((undo) => undo())));
    try {
      for (const step of steps) undos.push(await step());
    } catch (error) {
      await release();
      throw error;
    }
    return { release };
  }

  return {
    fault,
    hold: async ({ fingerprint }, { merchant, idempotencyKey }) => {
      if (merchant === undefined) return undefined;
      const key = readIdempotencyKey(idempotencyKey);
      if (!key.ok) throw new MalformedHeaderError(key.problem);
      if (key.value === undefined) return undefined;
      const holder = holderOf(merchant, key.value);
      await claimHolder(store, holder, fingerprint);
      return holder;
    },
    checkIdentifier: async ({ identifier: id, payer, fingerprint }) => {
      if (id !== undefined && payer !== undefined) await checkIdentifier(store, { chainId, payer, id }, fingerprint);
    },
    admit: async (ask, caller) => {
      const refusal = fault(ask);
      if (refusal !== undefined) return refusal;
      const { identifier: id, payer, fingerprint } = ask;
      const { merchant } = caller;
      const steps: (() => Promise<Undo>)[] = [];
      // The quota first: where it is used up, nothing is bound.
      if (merchant?.paymentsPerDay !== undefined) {
        const most = merchant.paymentsPerDay;
        const quota = { name: `quota:${merchant.id}`, most, message: `${most} payments were taken in today` };
        steps.push(() => countToday(store, quota, 1, clock.now()));
      }
      if (id !== undefined && payer !== undefined) {
        steps.push(() => claimIdentifier(store, { chainId, payer, id }, fingerprint));
      }
      return take(steps);
    },
  };
}
