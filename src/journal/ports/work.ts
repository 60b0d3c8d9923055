import type { Address, Hex } from "viem";
import type { AuthorizationIdentity } from "../../authorization/identity.ts";
import type { SignedAuthorization } from "../../authorization/types.ts";

/** What the engine carries: an authorization, or any other call of a contract. */
export type Work = AuthorizationWork | CallWork;

/** A signed authorization to settle. */
export type AuthorizationWork = {
  readonly kind: "authorization";
  readonly authorization: SignedAuthorization;
  readonly payerHasCode: boolean;
  /** Whether it needs a transaction of its own. */
  readonly alone?: true;
};

/** A call of a contract to carry out. */
export type CallWork = {
  readonly kind: "call";
  readonly chainId: number;
  readonly to: Address;
  readonly data: Hex;
  /** The explicit gas of its transaction; for a call with a `proof`, that of the call alone. */
  readonly gas: bigint;
  /** Set on a call that does not depend on its caller and runs no stranger's code: it may share a transaction. */
  readonly proof?: LogProof | undefined;
  /** Strangers who can make the call fail after it passed a pre-flight. If it does fail, they get a strike. */
  readonly signers?: readonly Address[];
  /** What it takes from a payer by an EIP-3009 authorization. */
  readonly spends?: (AuthorizationIdentity & { readonly value: bigint }) | undefined;
};

/**
 * A log that a call makes if and only if it did what it should: its contract, its topics and the words of its data.
 * Null matches anything, and so does what is left out.
 */
export type LogProof = {
  readonly address: Address;
  readonly topics: readonly (Hex | null)[];
  readonly data?: readonly (Hex | null)[] | undefined;
};
