import { formatGwei, type Hex } from "viem";
import type { Inspection, TransactionAttempt } from "../../settlement/index.ts";
import { CommandError, UsageError } from "../exit/errors.ts";
import { EXIT } from "../process/exitCodes.ts";
import type { Settlement } from "./text.ts";

/** Why there is no settlement to show. */
export function explain(
  hash: Hex,
  inspection: Exclude<Inspection, Settlement>,
  chain: string,
  attempts: readonly TransactionAttempt[],
): CommandError {
  switch (inspection.status) {
    case "unknown":
      if (attempts.some(({ fate }) => fate === "waiting")) {
        return new CommandError(
          `The node does not know the transaction ${hash}, which waits in the journal.`,
          EXIT.unknown,
          {
            hint: "A running engine hands it out again. If none runs, start one, or run tributary settle on this journal.",
          },
        );
      }
      return new UsageError(`The node does not know the transaction ${hash}.`, {
        hint: `It is on ${chain}: check the hash, and that --rpc-url is a node of the transaction's chain.`,
      });
    case "pending": {
      const { txNonce, from, maxFeePerGas, baseFeePerGas } = inspection;
      const fees = `It offers ${formatGwei(maxFeePerGas)} gwei per gas; the newest block asks for ${formatGwei(baseFeePerGas)}.`;
      return new CommandError(`The transaction ${hash} is not mined yet.`, EXIT.unknown, {
        details: `It waits as txNonce ${txNonce} of ${from}. ${fees}`,
        hint:
          maxFeePerGas < baseFeePerGas
            ? "It waits for a lower gas price, or for a replacement with a higher fee, which a running engine makes."
            : "Run the command again in a few seconds.",
      });
    }
    case "no-settlement": {
      const to = inspection.to === undefined ? "It created a contract." : `It called ${inspection.to}.`;
      return new UsageError(`The transaction ${hash} settled no authorization.`, {
        details: inspection.succeeded ? to : `${to} It reverted.`,
        hint: "If it went through another router, name that one with --router.",
      });
    }
  }
}
