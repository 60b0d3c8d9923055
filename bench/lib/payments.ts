import { signRecoverable } from "tiny-secp256k1";
import { type Address, bytesToHex, hexToBytes } from "viem";
import { privateKeyToAddress } from "viem/accounts";
import { hashAuthorization } from "../../src/authorization/typedData.ts";
import type { Authorization, SignedAuthorization } from "../../src/authorization/types.ts";
import { networks } from "../../src/networks.ts";
import { addressFor, bytesFor, valueFor } from "./random.ts";

// Times without a zero byte, so that nothing here is cheaper than in real use.
const VALID_AFTER = 1_700_000_001n;
const VALID_BEFORE = 4_102_444_801n;

/** An hour from now or a little later, without a zero byte: facilitators refuse what is valid for much longer. */
export function soon(): bigint {
  let seconds = Math.floor(Date.now() / 1000) + 3_600;
  while ([0, 8, 16, 24].some((bits) => ((seconds >>> bits) & 0xff) === 0)) seconds += 1;
  return BigInt(seconds);
}

/** Who pays whom: payment i is by payer i mod `payers` to payee i mod `payees`. */
export type Shape = { readonly count: number; readonly payers: number; readonly payees: number };

export type Mint = {
  readonly payer: (index: number) => Address;
  readonly payee: (index: number) => Address;
  readonly sign: (index: number, terms?: Partial<Authorization> & { payer?: number }) => SignedAuthorization;
  readonly payments: (shape: Shape) => SignedAuthorization[];
  /** All payers and payees of these shapes. */
  readonly parties: (...shapes: readonly Shape[]) => Address[];
};

/**
 * Makes payments in the local chain's USDC, derived from `seed` and `label`: another label gives other nonces to the same
 * payers and payees. `common`: terms that all of them share.
 */
export function openMint(seed: number, label: string, common: Pick<Partial<Authorization>, "validBefore"> = {}): Mint {
  const payers = new Map<number, { readonly key: Uint8Array; readonly address: Address }>();
  const { chainId, usdc } = networks.baseSepolia;

  function payerAt(index: number) {
    const known = payers.get(index);
    if (known !== undefined) return known;
    const key = bytesFor(seed, "payer", index);
    const payer = { key: hexToBytes(key), address: privateKeyToAddress(key) };
    payers.set(index, payer);
    return payer;
  }
  const payer = (index: number): Address => payerAt(index).address;
  const payee = (index: number): Address => addressFor(seed, "payee", index);

  /** As a wallet signs, but with libsecp256k1, because tens of thousands are signed before anything is measured. */
  function sign(
    index: number,
    { payer: from = 0, ...terms }: Partial<Authorization> & { payer?: number } = {},
  ): SignedAuthorization {
    const { key, address } = payerAt(from);
    const authorization: Authorization = {
      chainId,
      token: usdc.address,
      from: address,
      to: payee(0),
      value: valueFor(index),
      validAfter: VALID_AFTER,
      validBefore: VALID_BEFORE,
      nonce: bytesFor(seed, `nonce ${label}`, index),
      ...common,
      ...terms,
    };
    const { signature, recoveryId } = signRecoverable(hexToBytes(hashAuthorization(authorization, usdc)), key);
    return { ...authorization, signature: `${bytesToHex(signature)}${recoveryId === 0 ? "1b" : "1c"}` };
  }

  return {
    payer,
    payee,
    sign,
    payments: (shape) =>
      Array.from({ length: shape.count }, (_, i) => {
        return sign(i, { payer: i % shape.payers, to: payee(i % shape.payees) });
      }),
    parties: (...shapes) => {
      const most = (side: "payers" | "payees") => Math.max(...shapes.map((shape) => shape[side]));
      return [
        ...Array.from({ length: most("payers") }, (_, i) => payer(i)),
        ...Array.from({ length: most("payees") }, (_, i) => payee(i)),
      ];
    },
  };
}
