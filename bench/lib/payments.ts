import type { Address, Hex } from "viem";
import { type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import { signAuthorization } from "../../src/authorization/sign.ts";
import type { Authorization, SignedAuthorization } from "../../src/authorization/types.ts";
import { networks } from "../../src/networks.ts";
import { addressFor, bytesFor, valueFor } from "./random.ts";

// Times none of whose bytes is zero: nothing here is cheaper than in the field.
const VALID_AFTER = 1_700_000_001n;
const VALID_BEFORE = 4_102_444_801n;

/** Who pays whom: payment i is of payer i mod `payers` to payee i mod `payees`. */
export type Shape = { readonly count: number; readonly payers: number; readonly payees: number };

export type Mint = {
  readonly payer: (index: number) => PrivateKeyAccount;
  readonly payee: (index: number) => Address;
  readonly sign: (index: number, terms?: Partial<Authorization> & { payer?: number }) => Promise<SignedAuthorization>;
  readonly payments: (shape: Shape) => Promise<SignedAuthorization[]>;
  /** Everybody whom payments of these shapes concern. */
  readonly parties: (...shapes: readonly Shape[]) => Address[];
};

/**
 * Makes payments in the local chain's USDC that follow from `seed` and `label`: another label gives other nonces to the same
 * payers and payees.
 */
export function openMint(seed: number, label: string): Mint {
  const accounts = new Map<number, PrivateKeyAccount>();
  const { chainId, usdc } = networks.baseSepolia;

  function payer(index: number): PrivateKeyAccount {
    const known = accounts.get(index);
    if (known !== undefined) return known;
    const account = privateKeyToAccount(bytesFor(seed, "payer", index));
    accounts.set(index, account);
    return account;
  }
  const payee = (index: number): Address => addressFor(seed, "payee", index);
  const nonce = (index: number): Hex => bytesFor(seed, `nonce ${label}`, index);

  async function sign(
    index: number,
    { payer: from = 0, ...terms }: Partial<Authorization> & { payer?: number } = {},
  ): Promise<SignedAuthorization> {
    const account = payer(from);
    return signAuthorization(
      account,
      {
        chainId,
        token: usdc.address,
        from: account.address,
        to: payee(0),
        value: valueFor(index),
        validAfter: VALID_AFTER,
        validBefore: VALID_BEFORE,
        nonce: nonce(index),
        ...terms,
      },
      usdc,
    );
  }

  return {
    payer,
    payee,
    sign,
    payments: async ({ count, payers, payees }) => {
      const made: SignedAuthorization[] = [];
      for (let i = 0; i < count; i += 1) made.push(await sign(i, { payer: i % payers, to: payee(i % payees) }));
      return made;
    },
    parties: (...shapes) => {
      const payers = Math.max(...shapes.map((shape) => shape.payers));
      const payees = Math.max(...shapes.map((shape) => shape.payees));
      return [
        ...Array.from({ length: payers }, (_, i) => payer(i).address),
        ...Array.from({ length: payees }, (_, i) => payee(i)),
      ];
    },
  };
}
