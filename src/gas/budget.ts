// How much gas a call may take in which somebody else's code has a say: an account with code is asked by ERC-1271 whether a
// signature is its own, and decides itself how much gas that takes. Pure.

/** Gas that the check of one signature by an account with code may take, as much as an item of such a payer in a batch. */
export const DEFAULT_SIGNER_GAS = 200_000n;
/** The most for all such checks of one call together. */
export const MAX_SIGNERS_GAS = 2_000_000n;

/** What a call brings, and what gas costs now. */
export type CallWorth = {
  /** In millionths of a dollar, which are USDC's atomic units. */
  readonly microUsd: bigint;
  /** Price of one ether in millionths of a dollar; 0 where nobody gave one. */
  readonly etherMicroUsd: bigint;
  readonly gasPriceWei: bigint;
  /** What the call's data costs on an OP-stack chain, 0 elsewhere. */
  readonly dataWei: bigint;
};

export type GasBudgetInput = {
  /** Of the whole transaction where nobody's code has a say. */
  readonly modelGas: bigint;
  /** Checks of signatures by accounts with code. */
  readonly walletChecks: number;
  readonly signerGas?: bigint;
  /** Undefined where what the call brings is not to be looked at. */
  readonly worth?: CallWorth | undefined;
  /** Gas that a call may take however little it brings. */
  readonly floorGas: bigint;
};

/** The most gas that a call may take, and whether that is because of what it is worth. */
export type GasBudget = { readonly gas: bigint; readonly isByWorth: boolean };

/** Gas that accounts with code may take in one call for so many checks. */
export function walletGas(checks: number, signerGas = DEFAULT_SIGNER_GAS): bigint {
  const gas = BigInt(checks) * signerGas;
  return gas < MAX_SIGNERS_GAS ? gas : MAX_SIGNERS_GAS;
}

/**
 * Gas that can be paid with what a call brings, once its data is paid; undefined where gas costs nothing, or ether has no price.
 */
export function worthInGas({ microUsd, etherMicroUsd, gasPriceWei, dataWei }: CallWorth): bigint | undefined {
  if (etherMicroUsd === 0n || gasPriceWei === 0n) return undefined;
  const wei = (microUsd * 10n ** 18n) / etherMicroUsd - dataWei;
  return wei > 0n ? wei / gasPriceWei : 0n;
}

/**
 * The most gas that a call may be sent with: what it takes by the model and an allowance for each wallet that is asked, but no
 * more than it is worth, or than the floor where that is more.
 */
export function budgetGas({ modelGas, walletChecks, signerGas, worth, floorGas }: GasBudgetInput): GasBudget {
  const cap = modelGas + walletGas(walletChecks, signerGas);
  const worthGas = worth === undefined ? undefined : worthInGas(worth);
  if (worthGas === undefined) return { gas: cap, isByWorth: false };
  const bound = worthGas > floorGas ? worthGas : floorGas;
  return bound < cap ? { gas: bound, isByWorth: true } : { gas: cap, isByWorth: false };
}
