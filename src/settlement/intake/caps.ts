import type { Address } from "viem";
import type { AuthorizationIdentity } from "../../authorization/identity.ts";
import type { EnginePolicy } from "../policy.ts";
import type { Exposure } from "./exposure.ts";

/** What a payment or a call takes from a payer: by an EIP-3009 authorization, whatever carries it. */
export type Spending = AuthorizationIdentity & { readonly value: bigint };

/** What is about to be accepted from some payers, besides what they have open. */
export type Added = {
  readonly of: (token: Address, payer: Address) => { readonly value: bigint; readonly count: number };
  readonly add: (spending: Spending) => void;
};

export function createAdded(): Added {
  const sums = new Map<string, { value: bigint; count: number }>();
  const keyOf = (token: Address, payer: Address): string => `${token}:${payer}`.toLowerCase();
  const of = (token: Address, payer: Address) => sums.get(keyOf(token, payer)) ?? { value: 0n, count: 0 };
  return {
    of,
    add: ({ token, from, value }) => {
      const before = of(token, from);
      sums.set(keyOf(token, from), { value: before.value + value, count: before.count + 1 });
    },
  };
}

/**
 * Why a payer may have no more open; undefined if they may. The bounds are the sum and the count of their unsettled
 * payments and deposits.
 * @param openCap Replaces the policy's bound of the count.
 */
export function beyondCaps(
  { exposure, policy }: { readonly exposure: Exposure; readonly policy: EnginePolicy },
  { token, from, nonce, value }: Spending,
  openCap: number | undefined,
  added: Added = createAdded(),
): string | undefined {
  const cap = openCap ?? policy.payerOpenCap;
  if (policy.payerUnsettledCap === undefined && cap === undefined) return undefined;
  const open = exposure.open(token, from);
  // The same terms submitted again take nothing more.
  if (open.some((one) => one.nonce.toLowerCase() === nonce.toLowerCase() && one.value === value)) return undefined;
  const beside = added.of(token, from);
  const unsettled = exposure.unsettled(token, from) + beside.value;
  if (policy.payerUnsettledCap !== undefined && unsettled + value > policy.payerUnsettledCap) {
    return `the payer may have at most ${policy.payerUnsettledCap} unsettled`;
  }
  if (cap !== undefined && open.length + beside.count >= cap) {
    return `the payer may have at most ${cap} payments open at once`;
  }
  return undefined;
}
