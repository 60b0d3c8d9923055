import { type BareLocalChain, LocalChainError, PortUnavailableError, startLocalChain } from "../../local/index.ts";
import { UsageError } from "../exit/errors.ts";
import { printJson, printLine, printVerbatim } from "../output/output.ts";
import { listenForStop } from "../process/stopSignals.ts";
import { describe, nextSteps, type Pace, summary } from "./text.ts";

type Options = Pace & { readonly port: number; readonly bare?: true; readonly json?: true };

/** Runs a local chain until it is asked to stop. */
export async function runLocal({ port, bare, json, ...pace }: Options): Promise<void> {
  const { asked } = listenForStop();
  const chain = await start(port, pace, bare === true);
  if (json === true) printJson(summary(chain, pace));
  else {
    printLine(describe(chain, pace));
    // Commands must not be folded, since people copy them.
    printVerbatim(nextSteps(chain));
  }
  await asked;
  await chain.stop();
}

async function start(port: number, pace: Pace, bare: boolean): Promise<BareLocalChain> {
  const { blockTime: blockTimeSeconds, preconfirm: preconfirmMs, takenBack: takenBackShare } = pace;
  try {
    return await startLocalChain({ port, blockTimeSeconds, preconfirmMs, takenBackShare, bare });
  } catch (error) {
    if (error instanceof PortUnavailableError) {
      throw new UsageError(error.shortMessage, {
        hint: "Stop what listens there (another tributary local?), or pass --port 0 for a free one.",
        cause: error,
      });
    }
    throw usageError(error, pace) ?? error;
  }
}

/** What is wrong with the options; undefined if the error is about something else. */
function usageError(error: unknown, { blockTime, preconfirm, takenBack }: Pace): UsageError | undefined {
  if (!(error instanceof LocalChainError)) return undefined;
  if (preconfirm > 0 && preconfirm >= blockTime * 1000) {
    return new UsageError(`Preconfirmations every ${preconfirm} ms need a longer block time than ${blockTime} s.`, {
      hint: "Pass a longer --block-time, or a shorter --preconfirm.",
      cause: error,
    });
  }
  if (takenBack === 0 || preconfirm > 0) return undefined;
  return new UsageError("Without preconfirmations, none can be taken back.", {
    hint: "Pass --preconfirm too, 200 for example.",
    cause: error,
  });
}
