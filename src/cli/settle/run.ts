import { connect } from "../connect/connect.ts";
import { connectNodes, policyOf, stderrLogger } from "../connect/engine.ts";
import { openEngineJournal } from "../connect/journal.ts";
import { UsageError } from "../exit/errors.ts";
import { resolveSigner } from "../options/signer.ts";
import { currentRun } from "../process/surroundings.ts";
import { closing, settleFile } from "./file.ts";
import type { Options } from "./options.ts";
import { runWatch } from "./watch.ts";

/** Settles a file, or watches a folder or standard input. */
export async function runSettle(file: string | undefined, options: Options): Promise<void> {
  if (options.watch !== undefined && file !== undefined) {
    throw new UsageError("Name a file, or a folder with --watch, not both.");
  }
  if (options.watch !== undefined) await watch(options.watch, options);
  else if (file !== undefined) await settleFile(file, options);
  else throw new UsageError("Name the file to settle, or a folder to --watch.");
}

export async function watch(from: string, options: Options): Promise<void> {
  const client = await connect(options);
  const senders = [await resolveSigner({ ...options, chainId: client.chain.id })];
  const nodes = await connectNodes(client, options.node);
  await closing(await openEngineJournal(options, client), (journal) =>
    runWatch(client, {
      from: from === "-" ? currentRun().stdin : from,
      ...nodes,
      senders,
      journal,
      policy: policyOf(options),
      context: {
        ...(options.network === undefined ? {} : { network: options.network }),
        ...(options.token === undefined ? {} : { token: options.token }),
      },
      out: options.out ?? (from === "-" ? "payments.results.jsonl" : `${from.replace(/\/+$/, "")}.results.jsonl`),
      statusEveryMs: options.statusEvery * 1000,
      finishWithinMs: Math.min(options.wait, 30) * 1000,
      json: options.json === true,
      logger: stderrLogger(options.debug === true),
    }),
  );
}
