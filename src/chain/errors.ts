import { TributaryError } from "../errors.ts";

/** The node did not answer, or not usefully: nothing is known, and nothing was decided. */
export class ChainUnavailableError extends TributaryError {
  override readonly name = "ChainUnavailableError";
}

/** The chain answered, and what it holds is not what was asked for (another chain id, a token without EIP-3009 …). */
export class ChainMismatchError extends TributaryError {
  override readonly name = "ChainMismatchError";
}

/** No node would take the transaction (its sender has no ether, for one): it was not and will not be sent. */
export class TransactionRefusedError extends TributaryError {
  override readonly name = "TransactionRefusedError";
}
