import {
  type Address,
  BaseError,
  type Client,
  concatHex,
  encodeFunctionData,
  type Hex,
  hexToBigInt,
  numberToHex,
  padHex,
  size,
  slice,
} from "viem";
import { call, getCode } from "viem/actions";
import { unwrapErc6492 } from "../../authorization/signature.ts";
import { hashAuthorization } from "../../authorization/typedData.ts";
import type { SignedAuthorization } from "../../authorization/types.ts";
import { verifySignatureOffline } from "../../authorization/verify.ts";
import type { TokenDomain } from "../../networks.ts";
import { ChainUnavailableError } from "../errors.ts";

/** Gas that a payer's `isValidSignature` may use unless the caller says otherwise. */
export const DEFAULT_ERC1271_GAS = 1_000_000n;

/**
 * What the token would say of a signature, by the payer's code at the block that was asked: none → ECDSA, any code
 * (an EIP-7702 delegation included) → ERC-1271 and no ECDSA after it.
 */
export type ChainVerdict =
  | {
      readonly status: "valid";
      readonly by: "ecdsa" | "erc1271";
      /**
       * What to pass to the token. Without code: 65 bytes with v 27 or 28. With code: the signature without its
       * ERC-6492 wrapper.
       */
      readonly signature: Hex;
    }
  | { readonly status: "invalid"; readonly by: "ecdsa"; readonly reason: EcdsaDefect; readonly recovered?: Address }
  | { readonly status: "invalid"; readonly by: "erc1271"; readonly reason: Erc1271Defect }
  | {
      /** An ERC-6492 signature of a wallet that has no code yet: neither valid nor invalid before it is deployed. */
      readonly status: "counterfactual";
      readonly factory: Address;
      readonly factoryData: Hex;
      readonly signature: Hex;
    };

/** What the payer's code does with the signature: answers something else, reverts, or uses up its gas. */
export type Erc1271Defect = "rejected" | "call-failed" | "out-of-gas";

/**
 * Why a signature of a payer without code is refused: it is another signer's, or it is not in the form that the token
 * takes.
 */
export type EcdsaDefect = "mismatch" | "high-s" | "bad-v" | "unrecoverable" | "not-65-bytes" | "broken-erc6492";

/** The signature to ask about, and how. */
export type VerifyOnChainOptions = {
  /** The terms and the signature. */
  readonly authorization: SignedAuthorization;
  /** The token's EIP-712 domain, such as {@link knownTokenDomain} gives it. */
  readonly domain: TokenDomain;
  /** Gas for the payer's `isValidSignature`, 1,000,000 by default and below 2^32; what uses it up is `out-of-gas`. */
  readonly erc1271Gas?: bigint;
  /** Block to ask at; the latest by default. */
  readonly blockNumber?: bigint;
};

/**
 * Asks the chain whether the token would accept the signature of `authorization`. Balance, nonce and time are not
 * looked at.
 *
 * @throws ChainUnavailableError if the chain cannot be asked: nothing is known of the signature, which may well be
 * good.
 */
export async function verifySignatureOnChain(client: Client, options: VerifyOnChainOptions): Promise<ChainVerdict> {
  const { authorization: signed, domain } = options;
  const at = options.blockNumber === undefined ? {} : { blockNumber: options.blockNumber };
  const code = await ask("the payer's code", () => getCode(client, { address: signed.from, ...at }));
  const wrapper = unwrapErc6492(signed.signature);
  if (code === undefined || size(code) === 0) {
    return wrapper === undefined ? verifyEcdsa(signed, domain) : { status: "counterfactual", ...wrapper };
  }
  const signature = wrapper?.signature ?? signed.signature;
  const gas = options.erc1271Gas ?? DEFAULT_ERC1271_GAS;
  const data = probeCode(signed.from, gas, isValidSignatureCall(hashAuthorization(signed, domain), signature));
  const answer = await ask("the payer's isValidSignature", () =>
    call(client, { data, gas: probeGas(gas, data), ...at }),
  );
  return judge(answer.data, signature, gas);
}

async function verifyEcdsa(signed: SignedAuthorization, domain: TokenDomain): Promise<ChainVerdict> {
  const verdict = await verifySignatureOffline(signed, domain);
  switch (verdict.status) {
    case "valid":
      return { status: "valid", by: "ecdsa", signature: verdict.signature };
    case "mismatch":
      return { status: "invalid", by: "ecdsa", reason: "mismatch", recovered: verdict.recovered };
    case "malformed":
      return { status: "invalid", by: "ecdsa", reason: verdict.reason };
    case "undecided":
      return {
        status: "invalid",
        by: "ecdsa",
        reason: verdict.reason === "erc6492" ? "broken-erc6492" : "not-65-bytes",
      };
  }
}

const erc1271Abi = [
  {
    type: "function",
    name: "isValidSignature",
    stateMutability: "view",
    inputs: [
      { name: "hash", type: "bytes32" },
      { name: "signature", type: "bytes" },
    ],
    outputs: [{ name: "magicValue", type: "bytes4" }],
  },
] as const;

function isValidSignatureCall(hash: Hex, signature: Hex): Hex {
  return encodeFunctionData({ abi: erc1271Abi, args: [hash, signature] });
}

/** The magic value with the zero padding that the token compares, too. */
const magicWord = padHex("0x1626ba7e", { dir: "right", size: 32 });

function judge(answer: Hex | undefined, signature: Hex, gas: bigint): ChainVerdict {
  if (answer === undefined || size(answer) !== 128) {
    throw undecided("the payer's isValidSignature", "The node answered eth_call with something else than was asked.");
  }
  const succeeded = hexToBigInt(slice(answer, 0, 32)) === 1n;
  if (!succeeded) {
    const isUsedUp = hexToBigInt(slice(answer, 96, 128)) >= gas;
    return { status: "invalid", by: "erc1271", reason: isUsedUp ? "out-of-gas" : "call-failed" };
  }
  const returnedBytes = hexToBigInt(slice(answer, 32, 64));
  const accepted = returnedBytes >= 32n && slice(answer, 64, 96) === magicWord;
  return accepted
    ? { status: "valid", by: "erc1271", signature }
    : { status: "invalid", by: "erc1271", reason: "rejected" };
}

/**
 * Init code that makes one static call and returns (success, size of the return data, its first word, gas used by the
 * call). Run as a contract creation inside eth_call, it turns a revert or an exhausted allowance of the payer into data,
 * so that an error of eth_call itself always means that the node could not be asked.
 *
 * ```
 * CODECOPY(0x60, 0x3f, length)                          the calldata behind these 0x3f bytes
 * before = GAS
 * STATICCALL(gas, account, 0x60, length, 0x40, 0x20)    at most one word of return data is copied
 * MSTORE(0, success) MSTORE(0x60, before - GAS) MSTORE(0x20, RETURNDATASIZE) RETURN(0, 0x80)
 * ```
 */
function probeCode(account: Address, gas: bigint, calldata: Hex): Hex {
  const length = numberToHex(size(calldata), { size: 2 });
  return concatHex([
    "0x61",
    length,
    "0x603f6060395a6020604061",
    length,
    "0x606073",
    account,
    "0x63",
    numberToHex(gas, { size: 4 }),
    "0xfa6000525a90036060523d60205260806000f3",
    calldata,
  ]);
}

/** Gas for the whole eth_call: the account's allowance (EIP-150 keeps back a 64th) and ample for the rest. */
function probeGas(gas: bigint, data: Hex): bigint {
  return gas + gas / 63n + 200_000n + 50n * BigInt(size(data));
}

async function ask<Answer>(what: string, question: () => Promise<Answer>): Promise<Answer> {
  try {
    return await question();
  } catch (error) {
    // Neither the cause nor its message: they carry the node's URL, which may hold a key, and the signature.
    throw undecided(what, error instanceof BaseError ? describe(error) : undefined);
  }
}

function describe(error: BaseError): string {
  const root = error.walk();
  return root instanceof BaseError ? root.shortMessage : error.shortMessage;
}

function undecided(what: string, details: string | undefined): ChainUnavailableError {
  return new ChainUnavailableError(`Could not tell whether the signature is valid: ${what} could not be read.`, {
    hint: "Check the RPC URL and ask again; nothing is known against the payment.",
    ...(details === undefined ? {} : { details }),
  });
}
