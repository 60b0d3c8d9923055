import { type Address, BaseError, ContractFunctionZeroDataError } from "viem";
import { settled } from "../../async/gather.ts";
import { eachAtOnce } from "../../async/pool.ts";
import { type AuthorizationIdentity, authorizationId } from "../../authorization/identity.ts";
import type { Authorization } from "../../authorization/types.ts";
import { settlementLensArtifact } from "../../contracts/SettlementLens.ts";
import { chunks } from "../../lists.ts";
import { ask, unavailable } from "../ask.ts";
import type { ChainClient } from "../client.ts";
import { ChainMismatchError } from "../errors.ts";
import { isRevert } from "../reverts.ts";

/** A block as an answer's point in time: `timestamp` in Unix seconds, `baseFeePerGas` in wei. */
export type Head = { readonly number: bigint; readonly timestamp: bigint; readonly baseFeePerGas: bigint };

/** What the chain says about the parties of some authorizations of one token. Keys of the maps are lower-case. */
export type SettlementFacts = {
  readonly head: Head;
  /** Token balance in atomic units of every payer and payee. */
  readonly balances: ReadonlyMap<string, bigint>;
  /** The payers and payees that have code, an EIP-7702 delegation included. */
  readonly withCode: ReadonlySet<string>;
  /** The payers and payees that the token blocks, as Circle's tokens say (`isBlacklisted`). */
  readonly blocked: ReadonlySet<string>;
  /** The identities (`authorizationId`) whose nonce is used or cancelled. */
  readonly used: ReadonlySet<string>;
};

/**
 * Entries per eth_call. The arguments travel inside creation code, which EIP-3860 bounds to 49,152 bytes, and the
 * answer comes back as if it were the code of a new contract, which EIP-170 bounds to 24,576 bytes: 64 for each
 * account.
 */
const STATES_PER_CALL = 500;
const ACCOUNTS_PER_CALL = 350;
const CALLS_AT_ONCE = 4;
/** Bits of the lens's answer about an account. */
const HAS_CODE = 1;
const IS_BLOCKED = 2;

/**
 * Reads the facts about authorizations of one token through the lens, a few hundred to an eth_call.
 * @throws ChainMismatchError if the token has no code or no EIP-3009, ChainUnavailableError if the node fails.
 */
export async function readFacts(
  client: ChainClient,
  token: Address,
  authorizations: readonly Authorization[],
): Promise<SettlementFacts> {
  const owners = [...new Set(authorizations.flatMap(({ from, to }) => [from, to]))];
  // What is asked at once shares a request. That a token has no code says more than what its reads then fail with.
  const reads = settled(
    Promise.all([readAccounts(client, token, owners), readStates(client, token, authorizations)] as const),
  );
  await requireCode(client, token);
  const read = await reads;
  if (!read.ok) throw read.error;
  const [{ heads, ...accounts }, states] = read.value;
  let head: Head | undefined;
  for (const at of [...heads, ...states.heads]) head = later(head, at);
  return { head: head ?? (await readHead(client)), ...accounts, used: states.used };
}

async function readAccounts(client: ChainClient, token: Address, owners: readonly Address[]) {
  const heads: LensHead[] = [];
  const balances = new Map<string, bigint>();
  const withCode = new Set<string>();
  const blocked = new Set<string>();
  await eachAtOnce(chunks(owners, ACCOUNTS_PER_CALL), CALLS_AT_ONCE, async (chunk) => {
    const [at, amounts, flags] = await asked(
      token,
      client.readContract({ ...lens, functionName: "accounts", args: [token, chunk] }),
    );
    heads.push(at);
    for (const [i, owner] of chunk.entries()) {
      balances.set(owner.toLowerCase(), amounts[i] ?? 0n);
      if (((flags[i] ?? 0) & HAS_CODE) !== 0) withCode.add(owner.toLowerCase());
      if (((flags[i] ?? 0) & IS_BLOCKED) !== 0) blocked.add(owner.toLowerCase());
    }
  });
  return { heads, balances, withCode, blocked };
}

/**
 * The identities (`authorizationId`) among authorizations of one token whose nonce is used or cancelled at a block, the
 * newest one by default.
 * @throws ChainMismatchError if the token has no EIP-3009, ChainUnavailableError if the node fails.
 */
export async function readUsed(
  client: ChainClient,
  token: Address,
  authorizations: readonly AuthorizationIdentity[],
  at: { readonly blockNumber?: bigint } = {},
): Promise<ReadonlySet<string>> {
  return (await readStates(client, token, authorizations, at)).used;
}

async function readStates(
  client: ChainClient,
  token: Address,
  authorizations: readonly AuthorizationIdentity[],
  block: { readonly blockNumber?: bigint } = {},
) {
  const used = new Set<string>();
  const heads: LensHead[] = [];
  await eachAtOnce(chunks(authorizations, STATES_PER_CALL), CALLS_AT_ONCE, async (chunk) => {
    const queries = chunk.map(({ from, nonce }) => ({ payer: from, nonce }));
    const [at, states] = await asked(
      token,
      client.readContract({ ...lens, functionName: "authorizationStates", args: [token, queries], ...block }),
    );
    heads.push(at);
    for (const [i, authorization] of chunk.entries()) if (states[i] === true) used.add(authorizationId(authorization));
  });
  return { used, heads };
}

/** Reads the newest block, and its gas limit. */
export async function readHead(client: ChainClient): Promise<Head & { readonly gasLimit: bigint }> {
  const block = await ask("its newest block", client.getBlock({ blockTag: "latest" }));
  const { number, timestamp, baseFeePerGas, gasLimit } = block;
  return { number, timestamp, baseFeePerGas: baseFeePerGas ?? 0n, gasLimit };
}

/** Whether there is code at an address. */
export async function hasCode(client: ChainClient, address: Address): Promise<boolean> {
  return ((await ask(`the code at ${address}`, client.getCode({ address }))) ?? "0x") !== "0x";
}

/**
 * Which of these accounts have code, an EIP-7702 delegation included, in lower case: a few hundred to an eth_call.
 * @param token Any token of this chain: its balances are read with it.
 * @throws ChainMismatchError if the token does not answer, ChainUnavailableError if the node does not.
 */
export async function readCodes(
  client: ChainClient,
  token: Address,
  accounts: readonly Address[],
): Promise<ReadonlySet<string>> {
  const owners = [...new Set(accounts.map((account) => account.toLowerCase() as Address))];
  return (await readAccounts(client, token, owners)).withCode;
}

async function requireCode(client: ChainClient, token: Address): Promise<void> {
  if (await hasCode(client, token)) return;
  throw new ChainMismatchError(`Chain ${client.chain.id} has no token at ${token}.`, {
    hint: "Check the network and the token of these authorizations.",
  });
}

type LensHead = { number: bigint; timestamp: bigint; baseFee: bigint };

const lens = { abi: settlementLensArtifact.abi, code: settlementLensArtifact.bytecode } as const;

/** Tells a token that does not answer from a node that does not. */
async function asked<T>(token: Address, answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    // Not by viem's ContractFunctionRevertedError: it is thrown for a node's "internal error" (code -32603) too.
    const isEmpty = (cause: unknown) => cause instanceof ContractFunctionZeroDataError;
    if (isRevert(error) || (error instanceof BaseError && error.walk(isEmpty) !== null)) {
      throw new ChainMismatchError(`The contract at ${token} does not answer as an EIP-3009 token.`, {
        hint: "Check the token of these authorizations.",
      });
    }
    throw unavailable("balances and nonces", error);
  }
}

function later(a: Head | undefined, b: LensHead): Head {
  return a !== undefined && a.number >= b.number
    ? a
    : { number: b.number, timestamp: b.timestamp, baseFeePerGas: b.baseFee };
}
