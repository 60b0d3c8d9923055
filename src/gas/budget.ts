// How much gas a call may take if it runs somebody else's code: an account with code is asked by ERC-1271 whether a
// signature is its own, and decides itself how much gas that takes. Pure.

/** Gas that an account with code may use to check one signature, as much as an item of such a payer has in a batch. */
export const DEFAULT_SIGNER_GAS = 200_000n;
/** The most for all such checks of one call together. */
export const MAX_SIGNERS_GAS = 2_000_000n;

/** What a call brings in, and what gas costs now. */
export type CallWorth = {
  /** In millionths of a dollar, which are USDC's atomic units. */
  readonly microUsd: bigint;
  /** Price of one ether in millionths of a dollar; 0 if nobody gave one. */
  readonly etherMicroUsd: bigint;
  readonly gasPriceWei: bigint;
  /** The cost of the call's data on an OP-stack chain; 0 elsewhere. */
  readonly dataWei: bigint;
};

export type GasBudgetInput = {
  /** Gas of the whole transaction if it runs nobody else's code. */
  readonly modelGas: bigint;
  /** How many signatures are checked by accounts with code. */
  readonly walletChecks: number;
  readonly signerGas?: bigint;
  /** Undefined if what the call brings in does not matter. */
  readonly worth?: CallWorth | undefined;
  /** Gas that a call may take however little it brings in. */
  readonly floorGas: bigint;
};

/** The most gas that a call may take, and whether its worth set that bound. */
export type GasBudget = { readonly gas: bigint; readonly isByWorth: boolean };

/** Gas that accounts with code may use in one call for this many checks. */
export function walletGas(checks: number, signerGas = DEFAULT_SIGNER_GAS): bigint {
  const gas = BigInt(checks) * signerGas;
  return gas < MAX_SIGNERS_GAS ? gas : MAX_SIGNERS_GAS;
}

/**
 * Gas that can be paid with what a call brings in, after its data is paid; undefined if gas costs nothing or ether has
 * no price.
 */
export function worthInGas({ microUsd, etherMicroUsd, gasPriceWei, dataWei }: CallWorth): bigint | undefined {
  if (etherMicroUsd === 0n || gasPriceWei === 0n) return undefined;
  const wei = (microUsd * 10n ** 18n) / etherMicroUsd - dataWei;
  return wei > 0n ? wei / gasPriceWei : 0n;
}

/**
 * The most gas that a call may be sent with: what the model says plus an allowance for each wallet that is asked, but
 * no more than the call is worth. If the floor is higher than its worth, the floor is the bound.
 */
export function budgetGas({ modelGas, walletChecks, signerGas, worth, floorGas }: GasBudgetInput): GasBudget {
  const cap = modelGas + walletGas(walletChecks, signerGas);
  const worthGas = worth === undefined ? undefined : worthInGas(worth);
  if (worthGas === undefined) return { gas: cap, isByWorth: false };
  const bound = worthGas > floorGas ? worthGas : floorGas;
  return bound < cap ? { gas: bound, isByWorth: true } : { gas: cap, isByWorth: false };
}
