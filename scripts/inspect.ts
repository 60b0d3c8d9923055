import { Command } from "commander";
import { type Address, formatGwei, type Hex } from "viem";
import type { ChainClient } from "../src/chain/client.ts";
import { connect, rpcTimeoutOption } from "../src/cli/connect/connect.ts";
import { journalOption } from "../src/cli/connect/journal.ts";
import { CommandError, UsageError } from "../src/cli/exit/errors.ts";
import { findTarget } from "../src/cli/inspect/find.ts";
import { describeSettlement, ITEMS_SHOWN, type Settlement } from "../src/cli/inspect/text.ts";
import { examples } from "../src/cli/options/examples.ts";
import { address, jsonOption, rpcUrlOption } from "../src/cli/options/options.ts";
import { attemptJson, describeAttempts } from "../src/cli/output/attemptText.ts";
import { printJson, printLine } from "../src/cli/output/output.ts";
import { EXIT } from "../src/cli/process/exitCodes.ts";
import { type Inspection, inspectSettlement, type TransactionAttempt } from "../src/settlement/index.ts";

type Options = {
  readonly rpcUrl: string;
  readonly rpcTimeout: number;
  readonly journal?: string;
  readonly router?: Address;
  readonly all?: true;
  readonly json?: true;
};

/** `tributary inspect`: what a settlement transaction did. */
export function inspectCommand(): Command {
  return new Command("inspect")
    .description(
      "Show what a settlement transaction carried and what became of each payment, from its calldata and its own logs. Where " +
        "the journal knows it, every transaction that was signed in its place is shown too, with its fee and its age.",
    )
    .argument("<what>", "hash of a transaction; with a journal also a payment's number, nonce, identity or request id")
    .addOption(rpcUrlOption())
    .addOption(rpcTimeoutOption())
    .addOption(journalOption())
    .option("--router <address>", "another router than the one at its usual address", address)
    .option("--all", `show every payment, not only the first ${ITEMS_SHOWN}`)
    .addOption(jsonOption())
    .addHelpText("after", examples("inspect 0x5f3c…9a1e", "inspect 17", "inspect 0x5f3c…9a1e --json"))
    .action(runInspect);
}

async function runInspect(what: string, options: Options): Promise<void> {
  if (/^0x/i.test(what) && !/^0x[0-9a-f]{64}$/i.test(what)) {
    throw new UsageError(`${what} is no hash.`, { hint: "Write a transaction hash: 0x and 64 hex digits." });
  }
  const { hashes, attempts } = await findTarget(what, options);
  const client = await connect(options);
  const other = attempts.find(({ chainId }) => chainId !== client.chain.id);
  if (other !== undefined) {
    throw new UsageError(`${what} is of chain ${other.chainId}, and the node is on chain ${client.chain.id}.`, {
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
      printLine(`${inspection.status === "settlement" ? "\n" : ""}signed for it, by the journal`);
    for (const line of describeAttempts(attempts, Date.now())) printLine(line);
  }
  if (inspection.status !== "settlement") throw explain(hash, inspection, client.chain.name, attempts);
}

/** The first of these transactions that settled something; where none did, the first of which the node knows the most. */
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

function explain(
  hash: Hex,
  inspection: Exclude<Inspection, Settlement>,
  chain: string,
  attempts: readonly TransactionAttempt[],
): CommandError {
  switch (inspection.status) {
    case "unknown":
      if (attempts.some(({ fate }) => fate === "waiting")) {
        return new CommandError(`The node knows no transaction ${hash}, which waits in the journal.`, EXIT.unknown, {
          hint: "A running engine hands it out again by itself; where none runs, start it, or tributary settle on this journal.",
        });
      }
      return new UsageError(`The node knows no transaction ${hash}.`, {
        hint: `It is on ${chain}: check the hash, and that --rpc-url is a node of the transaction's chain.`,
      });
    case "pending": {
      const { txNonce, from, maxFeePerGas, baseFeePerGas } = inspection;
      const fees = `It offers ${formatGwei(maxFeePerGas)} gwei per gas; the newest block asks for ${formatGwei(baseFeePerGas)}.`;
      return new CommandError(`The transaction ${hash} is not mined yet.`, EXIT.unknown, {
        details: `It waits as txNonce ${txNonce} of ${from}. ${fees}`,
        hint:
          maxFeePerGas < baseFeePerGas
            ? "It waits for a lower price of gas, or for a dearer replacement, which a running engine makes by itself."
            : "Run the command again in a few seconds.",
      });
    }
    case "no-settlement": {
      const to = inspection.to === undefined ? "It created a contract." : `It called ${inspection.to}.`;
      return new UsageError(`The transaction ${hash} settled no authorization.`, {
        details: inspection.succeeded ? to : `${to} It reverted.`,
        hint: "If it went through another router than the usual one, name that with --router.",
      });
    }
  }
}
