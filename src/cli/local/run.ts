import { type BareLocalChain, PortUnavailableError, startLocalChain } from "../../local/index.ts";
import { UsageError } from "../exit/errors.ts";
import { printJson, printLine, printVerbatim } from "../output/output.ts";
import { listenForStop } from "../process/stopSignals.ts";
import { describe, nextSteps, summary } from "./text.ts";

type Options = { readonly port: number; readonly blockTime: number; readonly bare?: true; readonly json?: true };

/** Runs a local chain until it is asked to stop. */
export async function runLocal({ port, blockTime, bare, json }: Options): Promise<void> {
  const { asked } = listenForStop();
  const chain = await start(port, blockTime, bare === true);
  if (json === true) printJson(summary(chain));
  else {
    printLine(describe(chain, blockTime));
    // Commands must not be folded, since people copy them.
    printVerbatim(nextSteps(chain));
  }
  await asked;
  await chain.stop();
}

async function start(port: number, blockTimeSeconds: number, bare: boolean): Promise<BareLocalChain> {
  try {
    return await startLocalChain({ port, blockTimeSeconds, bare });
  } catch (error) {
    if (!(error instanceof PortUnavailableError)) throw error;
    throw new UsageError(error.shortMessage, {
      hint: "Stop what listens there (another tributary local?), or pass --port 0 for a free one.",
      cause: error,
    });
  }
}
