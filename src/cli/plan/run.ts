import type { Command } from "commander";
import type { Address } from "viem";
import type { Network } from "../../networks.ts";
import { quoteSettlement, type SettlementQuote } from "../../settlement/index.ts";
import type { RefusedLine } from "../../settlement/job/results.ts";
import { connect, requireSomeOn } from "../connect/connect.ts";
import { UsageError } from "../exit/errors.ts";
import { type LinePayment, readPayments } from "../input/input.ts";
import { printJson, printLine } from "../output/output.ts";
import { startProgress } from "../output/progress.ts";
import { formatQuote } from "../output/quoteText.ts";
import { EXIT } from "../process/exitCodes.ts";
import { currentRun } from "../process/surroundings.ts";
import { type CompareCommandOptions, runCompare } from "./compare.ts";

type Options = CompareCommandOptions & {
  readonly compare?: true;
  readonly network?: Network;
  readonly token?: Address;
  readonly router?: Address;
  readonly from?: Address;
  readonly strict?: true;
  readonly maxGas?: number;
  readonly minValue?: number;
};

/** Prints what settling a file would cost, or compares the ways to pay. */
export async function runPlan(file: string | undefined, options: Options, command: Command): Promise<void> {
  if (options.compare === true) {
    const isNodeNamed = command.getOptionValueSource("rpcUrl") !== "default";
    await runCompare(file === undefined ? undefined : await readPayments(file, options), options, { isNodeNamed });
    return;
  }
  if (file === undefined) {
    throw new UsageError("No file of payments.", { hint: "Name one, or describe the traffic with --compare." });
  }
  const input = await readPayments(file, options);
  const client = await connect(options);
  requireSomeOn(client, input.payments);
  const progress = startProgress("payments", input.payments.length);
  const quote = await quoteSettlement(client, {
    payments: input.payments,
    etherMicroUsd: options.ethUsd,
    limits: {
      ...(options.maxGas === undefined ? {} : { maxGasPerTransaction: BigInt(options.maxGas) }),
      ...(options.minValue === undefined ? {} : { minimumValue: BigInt(options.minValue) }),
    },
    ...(options.router === undefined ? {} : { router: options.router }),
    ...(options.from === undefined ? {} : { sender: options.from }),
    ...(options.gasPrice === undefined ? {} : { gasPriceWei: options.gasPrice }),
    onProgress: (done) => progress.update(done),
  }).finally(() => progress.stop());

  if (options.json === true) printJson(toJson(quote, input.refused));
  else {
    for (const line of formatQuote(quote, options.gasPrice === undefined)) printLine(line);
    if (input.refused.length > 0) printLine(`bad lines in the file, left out: ${input.refused.length}`);
  }
  const isSettled = quote.excluded.every(({ outcome }) => outcome.status === "settled");
  currentRun().exitCode = input.refused.length === 0 && isSettled ? EXIT.done : EXIT.unsettled;
}

function toJson({ excluded, ...quote }: SettlementQuote<LinePayment>, refused: readonly RefusedLine[]) {
  return {
    ...quote,
    dataFeeInputs: quote.dataFeeInputs ?? null,
    total: quote.total ?? null,
    oneByOne: quote.oneByOne ?? null,
    excluded: excluded.map(({ line, authorization, outcome }) => {
      const { from, to, value, nonce } = authorization;
      return { line, from, to, value, nonce, ...outcome };
    }),
    refusedLines: refused,
  };
}
