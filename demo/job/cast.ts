import { type Address, getAddress, type Hex, keccak256, type LocalAccount, stringToHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { signAuthorization } from "../../src/authorization/sign.ts";
import type { Authorization, SignedAuthorization } from "../../src/authorization/types.ts";
import { choicesFrom } from "../../src/cli/options/choices.ts";
import { networks } from "../../src/networks.ts";
import type { RejectionReason } from "../../src/settlement/index.ts";

/** The ways in which a payment of the demo can be bad. */
export const flaws = [
  "expired",
  "not-yet-valid",
  "drained",
  "wrong-signature",
  "used-nonce",
  "cancelled-nonce",
  "blocklisted",
  "gas-burner",
] as const;
export type Flaw = (typeof flaws)[number];

/** The reason that the settlement should give for each. A payment that is not valid yet is put off, not rejected. */
export const reasonOf: Readonly<Record<Flaw, RejectionReason | undefined>> = {
  expired: "expired",
  "not-yet-valid": undefined,
  drained: "underfunded",
  "wrong-signature": "bad-signature",
  "used-nonce": "already-used",
  "cancelled-nonce": "cancelled",
  blocklisted: "blocked",
  "gas-burner": "gas-capped",
};

export type DemoPayment = {
  readonly authorization: SignedAuthorization;
  /** Undefined for a good payment. */
  readonly flaw: Flaw | undefined;
};

export type Cast = {
  /** The payers with USDC: good ones and burners. The drained ones have none. */
  readonly funded: readonly Address[];
  readonly payees: readonly Address[];
  readonly blocklisted: readonly Address[];
  /** Payers that will delegate to code that burns all gas. */
  readonly burners: readonly LocalAccount[];
  readonly payments: readonly DemoPayment[];
};

export const PAYMENTS = 1_000;
export const PAYERS = 50;
export const PAYEES = 8;
/** $0.0001 and $0.05. */
export const [LEAST, MOST] = [100n, 50_000n];

/** Payers by what is wrong with them. The first 45 are honest. */
const HONEST = 45;
const DRAINED = [45, 46];
const BLOCKLISTED = [47];
const BURNERS = [48, 49];

/** About every 15th payment is bad. */
const BAD_EVERY = 15;
const BAD_FROM = 7;
const BAD_COUNT = 64;

/**
 * Signs the demo's payments. They are the same every time, except for their validity, which counts from `nowSeconds`.
 */
export async function signPayments(nowSeconds: bigint, onProgress: (signed: number) => void): Promise<Cast> {
  const choices = choicesFrom("tributary demo");
  const payers = Array.from({ length: PAYERS }, (_, index) => privateKeyToAccount(keyOf(`payer ${index}`)));
  const payees = Array.from({ length: PAYEES }, (_, index) => getAddress(`0x${keyOf(`payee ${index}`).slice(-40)}`));
  const payments: DemoPayment[] = [];
  for (let index = 0; index < PAYMENTS; index += 1) {
    const flaw = flawOf(index);
    const payer = at(payers, payerOf(index, flaw));
    const { chainId, usdc } = networks.baseSepolia;
    const terms: Authorization = {
      chainId,
      token: usdc.address,
      from: payer.address,
      to: at(payees, Number(choices.between("payee", index, 0n, BigInt(PAYEES - 1)))),
      value: choices.between("amount", index, LEAST, MOST),
      validAfter: flaw === "not-yet-valid" ? nowSeconds + 1_800n : 0n,
      validBefore: flaw === "expired" ? nowSeconds - 60n : nowSeconds + 3_600n,
      nonce: choices.nonce(index),
    };
    const signed = await signAuthorization(payer, { authorization: terms, domain: usdc });
    // Somebody changed the payee of this payment after it was signed.
    const thief = payees.find((payee) => payee !== signed.to) ?? signed.to;
    const authorization = flaw === "wrong-signature" ? { ...signed, to: thief } : signed;
    payments.push({ authorization, flaw });
    if (index % 50 === 0) onProgress(index);
  }
  const addressOf = (index: number) => at(payers, index).address;
  return {
    funded: payers.map(({ address }) => address).filter((_, index) => !DRAINED.includes(index)),
    payees,
    blocklisted: BLOCKLISTED.map(addressOf),
    burners: BURNERS.map((index) => at(payers, index)),
    payments,
  };
}

/** The accounts of the demo's payers, with their keys. */
export function payerAccounts(): LocalAccount[] {
  return Array.from({ length: PAYERS }, (_, index) => privateKeyToAccount(keyOf(`payer ${index}`)));
}

function flawOf(index: number): Flaw | undefined {
  const which = (index - BAD_FROM) / BAD_EVERY;
  return Number.isInteger(which) && which >= 0 && which < BAD_COUNT ? flaws[which % flaws.length] : undefined;
}

function payerOf(index: number, flaw: Flaw | undefined): number {
  const turn = Math.floor(index / BAD_EVERY / flaws.length);
  switch (flaw) {
    case "drained":
      return at(DRAINED, turn % DRAINED.length);
    case "blocklisted":
      return at(BLOCKLISTED, turn % BLOCKLISTED.length);
    case "gas-burner":
      return at(BURNERS, turn % BURNERS.length);
    default:
      return index % HONEST;
  }
}

function keyOf(label: string): Hex {
  return keccak256(stringToHex(`tributary demo ${label}`));
}

function at<T>(items: readonly T[], index: number): T {
  const item = items[index];
  if (item === undefined) throw new RangeError(`no item ${index} of ${items.length}`);
  return item;
}
