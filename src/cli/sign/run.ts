import { existsSync } from "node:fs";
import { signAuthorization } from "../../authorization/sign.ts";
import { UsageError } from "../exit/errors.ts";
import { openLines } from "../input/lineFile.ts";
import { formatPayment } from "../input/paymentFormats.ts";
import { choicesFrom } from "../options/choices.ts";
import { notice } from "../output/output.ts";
import { startProgress } from "../output/progress.ts";
import { counted } from "../output/summary.ts";
import type { Options } from "./options.ts";
import { amountRange, payersOf, tokenOf } from "./terms.ts";

/** Signs `--count` payments, one to a line. */
export async function runSign(options: Options): Promise<void> {
  const { network, count, format } = options;
  const payees = options.payee ?? [];
  if (payees.length === 0) throw new UsageError("No payee.", { hint: "Pass --payee ADDRESS, once or more." });
  const [minimum, maximum] = amountRange(options);
  const { token, domain } = tokenOf(options);
  if (format === "x402-v1" && network.v1Name === undefined) {
    throw new UsageError(`x402 v1 has no name for ${network.title}.`, { hint: "Use --format x402-v2." });
  }
  if (options.out !== undefined && options.force !== true && existsSync(options.out)) {
    throw new UsageError(`${options.out} exists and was left as it is.`, {
      hint: "Choose another name, or pass --force to replace it.",
    });
  }
  const validAfter = options.validAfter ?? 0n;
  const validBefore = options.validBefore ?? BigInt(Math.floor(Date.now() / 1000) + options.validFor);
  if (validBefore <= validAfter + 1n) {
    throw new UsageError("The payments would never be valid.", {
      details: `valid after ${validAfter}, before ${validBefore}`,
      hint: "Both bounds are exclusive: leave at least two seconds between them.",
    });
  }
  const payers = await payersOf(options);

  const choices = choicesFrom(options.seed);
  const sink = await openLines(options.out, options.force === true);
  const progress = startProgress("signing", count);
  try {
    for (let index = 0; index < count && !sink.isClosed(); index++) {
      const payer = pick(payers, index % payers.length);
      const payee = pick(payees, Number(choices.between("payee", index, 0n, BigInt(payees.length - 1))));
      const signed = await signAuthorization(payer, {
        authorization: {
          chainId: network.chainId,
          token,
          from: payer.address,
          to: payee,
          value: choices.between("amount", index, minimum, maximum),
          validAfter,
          validBefore,
          nonce: choices.nonce(index),
        },
        domain,
      });
      await sink.write(formatPayment(signed, format, { v1Network: network.v1Name, domain }));
      if (index % 100 === 0) progress.update(index);
    }
    await sink.finish();
  } catch (error) {
    await sink.discard();
    throw error;
  } finally {
    progress.stop();
  }
  if (options.out !== undefined)
    notice(`${counted(count, "payment")} by ${counted(payers.length, "payer")} in ${options.out}`);
}

function pick<T>(items: readonly T[], index: number): T {
  const item = items[index];
  if (item === undefined) throw new RangeError(`No item ${index} of ${items.length}.`);
  return item;
}
