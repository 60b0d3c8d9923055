import { type Command, InvalidArgumentError, Option } from "commander";
import { type Address, parseEther } from "viem";
import { type ChainClient, connectChain } from "../../chain/client.ts";
import type { Logger } from "../../logger.ts";
import type { EnginePolicyOptions } from "../../settlement/policy.ts";
import { address, gwei, integer, usdcAmount } from "../options/options.ts";
import { notice, toJson } from "../output/output.ts";

/** What an operator decides about the engine on the command line. */
export type PolicyOptions = {
  readonly maxGas?: number;
  readonly maxFee?: bigint;
  readonly maxTip?: bigint;
  readonly minValue?: number;
  readonly maxInFlight?: number;
  readonly confirmations?: number;
  readonly payerCap?: bigint;
  readonly minBalance?: string;
  readonly retryRefused?: true;
  readonly router?: Address;
  readonly lease?: number;
};

/** Adds the options of {@link policyOf} to a command. */
export function withPolicyOptions(command: Command): Command {
  return command
    .option("--router <address>", "router to use instead of the one at the usual address", address)
    .option("--max-gas <gas>", "the most gas for one transaction", integer(100_000, 16_777_216))
    .option("--max-fee <gwei>", `the most to offer per gas, replacements included${USUAL}`, gwei)
    .option("--max-tip <gwei>", `the most of that as a tip for the maker of the block${USUAL}`, gwei)
    .option("--min-value <units>", "leave out payments below this many atomic units", integer(0))
    .option("--max-in-flight <count>", "transactions of the key that may wait for a block at once", integer(1, 64))
    .option(
      "--confirmations <blocks>",
      "blocks until an outcome counts; 1 is the block that holds it",
      integer(1, 1_000),
    )
    .option("--payer-cap <usdc>", "the most that one payer may have unsettled", usdcAmount)
    .option("--min-balance <ether>", "pause, with a notice, while the sender has less", ether)
    .option("--retry-refused", "keep trying payments that the token refuses for a reason that may pass")
    .addOption(
      new Option("--lease <seconds>", "how long a killed process keeps the right to send from the key")
        .argParser(integer(5, 3_600))
        .hideHelp(),
    );
}

/** Ends the description of an option whose default depends on the network. */
const USUAL = " (default: by network)";

/** The fee policy of `--max-fee` and `--max-tip`. */
export function feesOf({ maxFee, maxTip }: Pick<PolicyOptions, "maxFee" | "maxTip">): EnginePolicyOptions["fees"] {
  return {
    ...(maxFee === undefined ? {} : { ceilingWei: maxFee }),
    ...(maxTip === undefined ? {} : { tipCeilingWei: maxTip }),
  };
}

/** The policy that these options ask for. */
export function policyOf(options: PolicyOptions): EnginePolicyOptions {
  const { maxGas, minValue, maxInFlight, confirmations, payerCap, minBalance, lease, router } = options;
  return {
    limits: {
      ...(maxGas === undefined ? {} : { maxGasPerTransaction: BigInt(maxGas) }),
      ...(minValue === undefined ? {} : { minimumValue: BigInt(minValue) }),
    },
    ...(router === undefined ? {} : { router }),
    fees: feesOf(options),
    ...(maxInFlight === undefined ? {} : { maxInFlight }),
    ...(confirmations === undefined ? {} : { confirmations }),
    ...(payerCap === undefined ? {} : { payerUnsettledCap: payerCap }),
    ...(minBalance === undefined ? {} : { minimumSenderBalanceWei: parseEther(minBalance) }),
    ...(options.retryRefused === true ? { retryRefused: true } : {}),
    ...(lease === undefined ? {} : { leaseTtlMs: lease * 1000 }),
  };
}

/** `--node URL`, repeatable: further nodes that signed transactions are sent to, and one that announces new blocks. */
export function nodeOption(): Option {
  return new Option(
    "--node <url>",
    "a further node: transactions are sent to it too (http), or it announces new blocks (ws); may be repeated",
  ).argParser((text: string, earlier: readonly string[] | undefined) => [...(earlier ?? []), nodeUrl(text)]);
}

function nodeUrl(text: string): string {
  if (URL.canParse(text) && /^(http|ws)s?:$/.test(new URL(text).protocol)) return text;
  throw new InvalidArgumentError("Write a URL that starts with http://, https://, ws:// or wss://.");
}

/** The further nodes of a command. */
export type FurtherNodes = {
  readonly nodes: readonly ChainClient[];
  readonly webSocketUrl: string | undefined;
};

/**
 * Connects to the further nodes; one that does not answer or is on another chain is left out, with a notice. Of those
 * that announce new blocks, one is enough: the first.
 */
export async function connectNodes(client: ChainClient, urls: readonly string[] = []): Promise<FurtherNodes> {
  const nodes = await Promise.all(
    urls
      .filter((url) => !isWebSocketUrl(url))
      .map(async (url) => {
        try {
          return await connectChain(url, { expectedChainId: client.chain.id });
        } catch {
          notice(`notice: ${new URL(url).origin} does not answer as a node of this chain, and is left out`);
          return undefined;
        }
      }),
  );
  return { nodes: nodes.filter((node) => node !== undefined), webSocketUrl: urls.find(isWebSocketUrl) };
}

function isWebSocketUrl(text: string): boolean {
  return /^wss?:$/.test(new URL(text).protocol);
}

/** Logs warnings and errors to stderr, the same message at most once in ten seconds; with `debug`, everything. */
export function stderrLogger(debug: boolean): Logger {
  const saidAt = new Map<string, number>();
  const say = (level: string, message: string, fields?: Readonly<Record<string, unknown>>): void => {
    const now = Date.now();
    if (!debug && now - (saidAt.get(message) ?? 0) < 10_000) return;
    saidAt.set(message, now);
    notice(`${level}: ${message}${fields === undefined ? "" : ` ${toJson(fields)}`}`);
  };
  const quiet = (): void => undefined;
  return {
    debug: debug ? (message, fields) => say("debug", message, fields) : quiet,
    info: debug ? (message, fields) => say("info", message, fields) : quiet,
    warn: (message, fields) => say("warning", message, fields),
    error: (message, fields) => say("error", message, fields),
  };
}

function ether(text: string): string {
  if (/^[0-9]{1,9}(\.[0-9]{1,18})?$/.test(text)) return text;
  throw new InvalidArgumentError("Write an amount of ether, such as 0.05.");
}
