import { decodeErrorResult, type Hex, hexToString, isHex, parseAbi } from "viem";
import type { RefusalReason } from "../reasons.ts";
import { printable } from "../text.ts";

export type { RefusalReason } from "../reasons.ts";

/** Why the token refused an authorization, as far as its revert data tells. */
export type Refusal = {
  readonly reason: RefusalReason;
  /** What the token said, without control characters; or the meaning of its silence. */
  readonly message: string;
  /** The revert data as the router reported it, cut at 256 bytes. */
  readonly data: Hex;
};

/** Messages of FiatToken v2.2 (USDC, EURC), compared whole. */
const byMessage: Readonly<Record<string, RefusalReason>> = {
  "FiatTokenV2: authorization is used or canceled": "already-used",
  "FiatTokenV2: authorization is expired": "expired",
  "FiatTokenV2: authorization is not yet valid": "not-yet-valid",
  "FiatTokenV2: invalid signature": "bad-signature",
  "ECRecover: invalid signature": "bad-signature",
  "ECRecover: invalid signature length": "bad-signature",
  "ECRecover: invalid signature 's' value": "bad-signature",
  "ECRecover: invalid signature 'v' value": "bad-signature",
  "ERC20: transfer amount exceeds balance": "underfunded",
  "Blacklistable: account is blacklisted": "blocked",
  "Pausable: paused": "token-paused",
};

/** Errors of tokens with custom errors: those of ERC-6093, and of OpenZeppelin's ERC-3009 and Pausable. */
const byError: Readonly<Record<string, RefusalReason>> = {
  ERC3009UsedAuthorization: "already-used",
  ERC3009InvalidAuthorizationTime: "refused",
  ERC3009InvalidSignature: "bad-signature",
  ERC20InsufficientBalance: "underfunded",
  EnforcedPause: "token-paused",
};

const errorsAbi = parseAbi([
  "error Error(string message)",
  "error ERC3009UsedAuthorization(address authorizer, bytes32 nonce)",
  "error ERC3009InvalidAuthorizationTime(uint256 validAfter, uint256 validBefore)",
  "error ERC3009InvalidSignature()",
  "error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed)",
  "error EnforcedPause()",
]);

/** Classifies the revert data of a token's `transferWithAuthorization`. Never throws: unknown data is `refused`. */
export function decodeRefusal(data: Hex): Refusal {
  if (data === "0x") {
    return { reason: "gas-capped", message: "reverted without a reason: the gas allowance ran out", data };
  }
  try {
    const { errorName, args } = decodeErrorResult({ abi: errorsAbi, data });
    if (errorName === "Error") {
      const message = String(args[0]);
      return {
        reason: (Object.hasOwn(byMessage, message) ? byMessage[message] : undefined) ?? "refused",
        message: printable(message),
        data,
      };
    }
    const shown = args === undefined || args.length === 0 ? errorName : `${errorName}(${args.join(", ")})`;
    return { reason: byError[errorName] ?? "refused", message: shown, data };
  } catch {
    return { reason: "refused", message: readCutMessage(data) ?? `unknown error ${data.slice(0, 10)}`, data };
  }
}

const ERROR_SELECTOR = "08c379a0";
/** The 0x, selector, offset and length in characters of hex. */
const MESSAGE_START = 2 + 2 * (4 + 32 + 32);

/** The part of a long `Error(string)` that the router kept. */
function readCutMessage(data: Hex): string | undefined {
  const { length } = data;
  if (data.slice(2, 10) !== ERROR_SELECTOR || length <= MESSAGE_START || length % 2 === 1 || !isHex(data))
    return undefined;
  return `${printable(hexToString(`0x${data.slice(MESSAGE_START)}`))}…`;
}
