import type { Address, Hex } from "viem";
import type { ChainClient } from "../../chain/client.ts";
import { type Inspection, inspectSettlement } from "../../settlement/index.ts";
import { connect } from "../connect/connect.ts";
import { UsageError } from "../exit/errors.ts";
import { attemptJson, describeAttempts } from "../output/attemptText.ts";
import { printJson, printLine } from "../output/output.ts";
import { explain } from "./explain.ts";
import { findTarget } from "./find.ts";
import { describeSettlement } from "./text.ts";

type Options = {
  readonly rpcUrl: string;
  readonly rpcTimeout: number;
  readonly journal?: string;
  readonly router?: Address;
  readonly all?: true;
  readonly json?: true;
};

/** Prints what a transaction carried and what became of it. */
export async function runInspect(what: string, options: Options): Promise<void> {
  if (/^0x/i.test(what) && !/^0x[0-9a-f]{64}$/i.test(what)) {
    throw new UsageError(`${what} is not a hash.`, { hint: "Write a transaction hash: 0x and 64 hex digits." });
  }
  const { hashes, attempts } = await findTarget(what, options);
  const client = await connect(options);
  const other = attempts.find(({ chainId }) => chainId !== client.chain.id);
  if (other !== undefined) {
    throw new UsageError(`${what} is on chain ${other.chainId}, but the node is on chain ${client.chain.id}.`, {
      hint: "Point --rpc-url (or RPC_URL) at a node of its chain.",
    });
  }
  const { hash, inspection } = await inspectOneOf(client, hashes, options);
  if (options.json === true) {
    printJson({ ...inspection, ...(attempts.length === 0 ? {} : { hash, attempts: attempts.map(attemptJson) }) });
  } else {
    if (inspection.status === "settlement") {
      for (const line of describeSettlement(inspection, options.all === true)) printLine(line);
    }
    if (attempts.length > 0)
      printLine(`${inspection.status === "settlement" ? "\n" : ""}signed for it, according to the journal`);
    for (const line of describeAttempts(attempts, Date.now())) printLine(line);
  }
  if (inspection.status !== "settlement") throw explain(hash, inspection, client.chain.name, attempts);
}

/** The first of these transactions that settled something; if none did, the one that the node knows most about. */
async function inspectOneOf(
  client: ChainClient,
  hashes: readonly Hex[],
  { router }: Options,
): Promise<{ readonly hash: Hex; readonly inspection: Inspection }> {
  const found: { readonly hash: Hex; readonly inspection: Inspection }[] = [];
  for (const hash of hashes) {
    const inspection = await inspectSettlement(client, { hash, ...(router === undefined ? {} : { router }) });
    if (inspection.status === "settlement") return { hash, inspection };
    found.push({ hash, inspection });
  }
  const best = (["no-settlement", "pending", "unknown"] as const)
    .map((status) => found.find(({ inspection }) => inspection.status === status))
    .find((one) => one !== undefined);
  if (best === undefined) throw new Error("there is no transaction to inspect");
  return best;
}
